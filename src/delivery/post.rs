//! One POST that ends in time, and what its answer means.
//!
//! The status alone decides, so the body of an answer is never read: it cannot be too long, be cut
//! or lie about its length, and nothing of it can get into a reason. A connection serves one send;
//! alerts are rare, and a stale connection would cost one its first try.

use std::fmt;
use std::io;
use std::time::Duration;

use thiserror::Error;
use ureq::Agent;
use ureq::http::header::{HeaderMap, RETRY_AFTER};
use ureq::http::{HeaderValue, StatusCode, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::Outcome;
use crate::base::clock::{DAY_NS, SECOND_NS, UnixNanos};

/// How long a send may take in all, from looking up the name to the last header of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head of an answer that is read, bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Longest address, bytes; push services stay below 1 KiB.
const MAX_ADDRESS_BYTES: usize = 2_048;
/// Longest pause that a server may ask for; after a day an alert is given up.
const MAX_PAUSE: Duration = Duration::from_nanos(DAY_NS as u64);

/// Where to send to. Shown by its host alone: paths and queries of webhooks and push services are
/// as good as passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Uri);

/// Why a text is no address to send to; never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadAddress {
    /// It cannot be read as an address.
    #[error("not an address; it must look like https://host/path")]
    Unreadable,
    /// Longer than any real one.
    #[error("longer than {MAX_ADDRESS_BYTES} bytes")]
    TooLong,
    /// Neither http nor https.
    #[error("neither http nor https")]
    Scheme,
    /// `user:password@host`.
    #[error("has a user name or password before the host; give them as a token or in the path")]
    Credentials,
}

impl Address {
    /// Reads an absolute address of http or https.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(BadAddress::TooLong);
        }
        let uri: Uri = text.parse().map_err(|_| BadAddress::Unreadable)?;
        // A host without a scheme would do for a proxy, not for us.
        let absolute = uri.authority().filter(|_| uri.scheme().is_some());
        let authority = absolute.ok_or(BadAddress::Unreadable)?;
        if authority.as_str().contains('@') {
            return Err(BadAddress::Credentials);
        }
        let port = authority.as_str().strip_prefix(authority.host());
        let port_is_fit = port.is_some_and(|port| {
            let number = port.strip_prefix(':').and_then(|text| text.parse().ok());
            port.is_empty() || number.is_some_and(|number: u16| number > 0)
        });
        if authority.host().is_empty() || !port_is_fit {
            return Err(BadAddress::Unreadable);
        }
        match uri.scheme_str() {
            Some("http" | "https") => Ok(Self(uri)),
            _ => Err(BadAddress::Scheme),
        }
    }

    /// All of it, for the one place that stores it.
    pub fn expose(&self) -> String {
        self.0.to_string()
    }

    /// Host and, if given, port.
    pub fn host(&self) -> &str {
        self.0
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    /// Scheme, host, and the port unless it is the scheme's own (RFC 6454, section 6.2).
    pub fn origin(&self) -> String {
        let scheme = self.0.scheme_str().unwrap_or("https");
        let host = self.0.host().unwrap_or_default().to_ascii_lowercase();
        match (scheme, self.0.port_u16()) {
            ("https", Some(443)) | ("http", Some(80)) | (_, None) => format!("{scheme}://{host}"),
            (_, Some(port)) => format!("{scheme}://{host}:{port}"),
        }
    }

    /// Whether what is sent there is encrypted on its way.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Whether it leads to this very machine, by number and not by a name that could be moved.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        host.trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }

    /// Whether there is nothing behind the host.
    pub fn is_root(&self) -> bool {
        matches!(self.0.path(), "" | "/") && self.0.query().is_none()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.host())
    }
}

/// The certificates to trust cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no certificate in PEM form among the certificates to trust")]
pub struct BadCertificates;

/// What makes the requests. Threads may share it.
pub struct Poster {
    agent: Agent,
    timeout: Duration,
}

impl Poster {
    /// Ends each send after `timeout` at the latest, normally [`TIMEOUT`]. Trusts the authorities
    /// that browsers trust.
    pub fn new(timeout: Duration) -> Self {
        Self::with_roots(timeout, RootCerts::WebPki)
    }

    /// As [`Poster::new`], trusting the authorities in `pem` and no others: for a server at home
    /// with a certificate of its own.
    pub fn trusting(timeout: Duration, pem: &[u8]) -> Result<Self, BadCertificates> {
        let mut roots: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|_| BadCertificates)? {
                roots.push(certificate);
            }
        }
        if roots.is_empty() {
            return Err(BadCertificates);
        }
        Ok(Self::with_roots(timeout, RootCerts::new_with_certs(&roots)))
    }

    fn with_roots(timeout: Duration, roots: RootCerts) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEAD_BYTES)
            .max_idle_connections(0)
            // What the environment of the daemon says must not move alerts elsewhere.
            .proxy(None)
            .user_agent(concat!("nightjar/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .new_agent();
        Self { agent, timeout }
    }

    /// Sends `body`; an `Err` says what to do when there was no answer.
    pub(super) fn post(
        &self,
        address: &Address,
        headers: Vec<(&'static str, HeaderValue)>,
        body: &[u8],
        now: UnixNanos,
    ) -> Result<Reply, Outcome> {
        let mut request = self.agent.post(address.0.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.send(body) {
            Ok(response) => Ok(Reply {
                host: address.host().to_owned(),
                status: response.status(),
                retry_after: retry_after(response.headers(), now),
            }),
            Err(error) => Err(self.no_answer(address.host(), &error)),
        }
    }

    /// Every failure before an answer may pass: the network comes back, the clock is set, the
    /// server is mended.
    fn no_answer(&self, host: &str, error: &ureq::Error) -> Outcome {
        use ureq::Error;
        let reason = match error {
            Error::Timeout(_) => format!("no answer from {host} within {:?}", self.timeout),
            Error::HostNotFound => format!("{host} is not known to the name servers"),
            Error::Io(source) => io_reason(host, source),
            Error::Rustls(source) => format!("no secure connection to {host}: {source}"),
            Error::Tls(_) => format!("no secure connection to {host}"),
            Error::LargeResponseHeader(..) => {
                format!("{host} answered with a head of more than {MAX_HEAD_BYTES} bytes")
            }
            Error::Protocol(_) | Error::Http(_) => {
                format!("{host} answered with something other than HTTP")
            }
            _ => format!("no connection to {host}"),
        };
        Outcome::Retry {
            reason,
            after: None,
        }
    }
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The system's words tell of connections and certificates, never of what was sent.
fn io_reason(host: &str, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => format!("{host} closed the connection before its answer"),
        _ => format!("the connection to {host} failed: {source}"),
    }
}

/// A header that is not shown where requests are logged; `None` if it holds what a header cannot.
pub(super) fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What an answer's head says.
pub(super) struct Reply {
    host: String,
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl Reply {
    /// Whether the address leads nowhere any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// What the status asks for.
    pub(super) fn outcome(self) -> Outcome {
        let Self {
            host,
            status,
            retry_after,
        } = self;
        // Of the server's words only the number: the canonical reason is ours.
        let code = status.as_u16();
        let word = status.canonical_reason().unwrap_or("no known status");
        match code {
            200..=299 => Outcome::Sent,
            // 408, 425 and 429 speak of the moment, 5xx of the server; the rest of the request.
            408 | 425 | 429 | 500..=599 => Outcome::Retry {
                reason: format!("{host} answered {code} ({word})"),
                after: retry_after,
            },
            300..=399 => Outcome::Refused {
                reason: format!(
                    "{host} answered {code} ({word}); redirects are not followed, configure the \
                     final address"
                ),
            },
            401 | 403 => Outcome::Refused {
                reason: format!("{host} answered {code} ({word}); check what it asks for access"),
            },
            _ => Outcome::Refused {
                reason: format!("{host} answered {code} ({word})"),
            },
        }
    }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: UnixNanos) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let seconds = then.as_second().saturating_sub(now / SECOND_NS);
        Duration::from_secs(seconds.max(0) as u64)
    };
    Some(pause.min(MAX_PAUSE))
}

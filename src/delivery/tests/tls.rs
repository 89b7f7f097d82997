//! Real TLS: who is trusted, and that nothing is sent to anybody else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::server::{Answer, serve};
use super::{NOW, message, poster, reason};
use crate::base::secret::Secret;
use crate::delivery::post::{BadCertificates, TIMEOUT};
use crate::delivery::webhook::Webhook;
use crate::delivery::{Outcome, Poster};

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {words}");
}

/// An authority of the house's own (`ca.pem`) and a server's certificate by it.
fn certificates(folder: &Path) -> ServerConfig {
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        folder,
        &format!("{new} -x509 -days 2 -subj /CN=house -keyout ca.key -out ca.pem"),
    );
    openssl(
        folder,
        &format!("{new} -subj /CN=hook -keyout hook.key -out hook.csr"),
    );
    std::fs::File::create(folder.join("names"))
        .unwrap()
        .write_all(b"subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    openssl(
        folder,
        "x509 -req -in hook.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names \
         -out hook.pem",
    );
    let certificate = CertificateDer::from_pem_file(folder.join("hook.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("hook.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

/// Takes one connection and answers 200; gives back what `client` gave and the bytes that were
/// readable to the server.
fn serve_tls<T>(config: ServerConfig, client: impl FnOnce(SocketAddr) -> T) -> (T, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        let server = Builder::new().name("test-tls-server".into());
        let server = server
            .spawn_scoped(scope, || {
                let (tcp, _) = listener.accept().unwrap();
                tcp.set_read_timeout(Some(TIMEOUT)).unwrap();
                let connection = ServerConnection::new(Arc::new(config)).unwrap();
                let mut stream = StreamOwned::new(connection, tcp);
                let mut read = Vec::new();
                let mut part = [0; 4_096];
                while !read.ends_with(b"}") {
                    match stream.read(&mut part) {
                        Ok(0) | Err(_) => return read,
                        Ok(length) => read.extend_from_slice(&part[..length]),
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                read
            })
            .unwrap();
        let outcome = client(at);
        (outcome, server.join().unwrap())
    })
}

fn send(at: SocketAddr, poster: &Poster) -> Outcome {
    let secret = Secret::new("shared-s3cret".into());
    let webhook = Webhook::new(&format!("https://{at}/s3cret"), secret).unwrap();
    webhook.send(poster, &message(), NOW)
}

#[test]
fn a_server_with_a_certificate_of_a_trusted_authority_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = certificates(folder.path());
    let pem = std::fs::read(folder.path().join("ca.pem")).unwrap();
    let (outcome, read) = serve_tls(config, |at| {
        send(at, &Poster::trusting(TIMEOUT, &pem).unwrap())
    });
    assert_eq!(outcome, Outcome::Sent);
    assert!(read.starts_with(b"POST /s3cret HTTP/1.1\r\n"));
}

#[test]
fn a_server_that_nobody_vouches_for_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = certificates(folder.path());
    let (outcome, read) = serve_tls(config, |at| send(at, &poster()));
    // A clock that is wrong after a power cut makes good certificates bad, so it is tried again.
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains("UnknownIssuer"), "{outcome:?}");
    assert!(!reason(&outcome).contains("s3cret"), "{outcome:?}");
    assert_eq!(read, b"");
}

#[test]
fn a_server_that_never_shakes_hands_cannot_hold_a_send() {
    let short = Duration::from_millis(200);
    let began = Instant::now();
    let (outcome, _) = serve(vec![Answer::Deaf], |at| send(at, &Poster::new(short)));
    assert!(reason(&outcome).contains("within 200ms"), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn what_holds_no_certificate_cannot_be_trusted() {
    let trusting = |pem: &[u8]| Poster::trusting(TIMEOUT, pem).unwrap_err();
    for pem in [
        &b""[..],
        b"no pem",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ] {
        assert_eq!(trusting(pem), BadCertificates);
    }
}

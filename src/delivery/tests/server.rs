//! A real HTTP server on loopback that answers as it is told, well or badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;
use std::time::Duration;

/// What the server does with one connection, after it has read the request.
pub(super) enum Answer {
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Writes these bytes and keeps the connection open.
    Open(Vec<u8>),
    /// Writes one byte every now and then, for as long as it takes.
    Drip(Vec<u8>),
    /// Writes these bytes first, and these again and again for as long as anybody reads.
    Flood(Vec<u8>, Vec<u8>),
    /// Does not even read the request.
    Deaf,
}

/// Status and headers, without a body.
pub(super) fn status(code: u16, headers: &str) -> Answer {
    let head = format!("HTTP/1.1 {code} Whatever\r\n{headers}Content-Length: 0\r\n\r\n");
    Answer::Bytes(head.into_bytes())
}

/// What arrived.
#[derive(Clone)]
pub(super) struct Request {
    /// `POST /path HTTP/1.1`
    pub(super) line: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| *own == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "two headers {name}");
        value
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Runs `client` with the server's host and port. Each connection gets the next of `answers`; gives
/// back what the client gave, and the requests that were read.
pub(super) fn serve<T>(
    answers: Vec<Answer>,
    client: impl FnOnce(SocketAddr) -> T,
) -> (T, Vec<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let done = AtomicBool::new(false);
    // Its end tells the server that the client is done.
    let (running, ended) = channel::<()>();
    let (listener, done_here) = (&listener, &done);
    std::thread::scope(|scope| {
        let server = Builder::new().name("test-server".into());
        let server = server
            .spawn_scoped(scope, move || {
                let mut requests = Vec::new();
                for answer in answers {
                    let (stream, _) = listener.accept().unwrap();
                    if done_here.load(Ordering::SeqCst) {
                        break;
                    }
                    requests.extend(answer_one(stream, answer, &ended));
                }
                requests
            })
            .unwrap();
        // Also when the client panics, or the server would wait for ever.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client(at)));
        done.store(true, Ordering::SeqCst);
        drop(running);
        let _ = TcpStream::connect(at);
        let requests = server.join().unwrap();
        match outcome {
            Ok(outcome) => (outcome, requests),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn answer_one(mut stream: TcpStream, answer: Answer, ended: &Receiver<()>) -> Option<Request> {
    if matches!(answer, Answer::Deaf) {
        let _ = ended.recv();
        return None;
    }
    let request = read(&stream)?;
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Answer::Open(bytes) => {
            let _ = stream.write_all(&bytes);
            let _ = ended.recv();
        }
        Answer::Drip(bytes) => {
            for byte in bytes {
                let written = stream.write_all(&[byte]);
                let tick = ended.recv_timeout(Duration::from_millis(10));
                if written.is_err() || tick == Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
                {
                    break;
                }
            }
        }
        Answer::Flood(first, again) => {
            let _ = stream.write_all(&first);
            while stream.write_all(&again).is_ok() {}
        }
        Answer::Deaf => {}
    }
    Some(request)
}

pub(super) fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line: line.trim_end().to_owned(),
        headers,
        body,
    })
}

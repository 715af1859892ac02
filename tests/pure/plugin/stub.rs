//! An API server that answers what a test says.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// An answer.
pub enum Answer {
    /// This document.
    Document(Value),
    /// A watch that tells these events, five each second, and stays open.
    Events(Vec<Value>),
    /// There is no such object or kind.
    Missing,
}

/// Starts a server. It answers the path of each request, and says that it is this time. Returns its address.
pub fn start(date: &'static str, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // A client that has ended closes the connection.
            std::thread::spawn(move || drop(serve(stream, date, &*answer)));
        }
    });
    address
}

/// A server without a time of its own.
pub fn undated(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    start("", answer)
}

fn serve(mut stream: TcpStream, date: &str, answer: &dyn Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let date = if date.is_empty() { String::new() } else { format!("Date: {date}\r\n") };
    let head = |code: &str| {
        format!("HTTP/1.1 {code}\r\n{date}Content-Type: application/json\r\nConnection: close\r\n\r\n")
    };
    match answer(path) {
        Answer::Document(document) => write!(stream, "{}{document}", head("200 OK")),
        Answer::Missing => {
            let name = path.rsplit('/').next().unwrap_or_default();
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
                "message": "not found", "details": { "name": name },
            });
            write!(stream, "{}{status}", head("404 Not Found"))
        }
        Answer::Events(events) => {
            write!(stream, "{}", head("200 OK"))?;
            for event in events {
                writeln!(stream, "{event}")?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(200));
            }
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
    }
}

/// The kind in plural that a path of project `shop` names, the name if it names one object, and whether it is a watch.
pub fn parsed(path: &str) -> (&str, &str, bool) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let rest = path
        .split_once("/namespaces/shop/")
        .map_or_else(|| path.rsplit('/').next().unwrap_or_default(), |(_, rest)| rest);
    let (plural, name) = rest.split_once('/').unwrap_or((rest, ""));
    (plural, name, query.contains("watch=true"))
}

/// A list of these objects.
pub fn list(items: &[Value]) -> Answer {
    Answer::Document(json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "List", "metadata": { "resourceVersion": "100" }, "items": items,
    }))
}

/// The objects of a project: the answer to each request for them.
pub fn project(path: &str, objects: &[Value]) -> Answer {
    let (plural, name, is_watch) = parsed(path);
    if is_watch {
        return Answer::Events(Vec::new());
    }
    let is_of = |object: &&Value| {
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        plural == format!("{kind}s") && (name.is_empty() || object["metadata"]["name"] == name)
    };
    let found: Vec<Value> = objects.iter().filter(is_of).cloned().collect();
    match (name.is_empty(), found.into_iter().next()) {
        (true, _) => list(&objects.iter().filter(is_of).cloned().collect::<Vec<_>>()),
        (false, Some(object)) => Answer::Document(object),
        (false, None) => Answer::Missing,
    }
}

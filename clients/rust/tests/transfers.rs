//! Tests how the client handles network and proxy failures, with a server that sends scripted responses.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{channel, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use weight_init_client::{Client, Request, Result, Tensor};

const BYTES: [u8; 12] = [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64]; // 1, 2 and 3
const WEIGHT_INIT: &str = r#"Weight-Init: {"shape":[3],"dtype":"float32","seed":7}"#;
const RESUMABLE: &str = "Accept-Ranges: bytes\r\nETag: \"a\"";

/// The bytes to send on a connection, and whether to close it or keep it open afterwards.
#[derive(Clone)]
enum Reply {
    ThenClose(Vec<u8>),
    ThenWait(Vec<u8>),
}

fn reply(status: &str, headers: &[&str], body: &[u8]) -> Reply {
    Reply::ThenClose(response(status, headers, body))
}

fn response(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\n{}\r\n\r\n", headers.join("\r\n")).as_bytes(), body].concat()
}

/// A server that accepts one connection for each reply.
struct Server {
    thread: JoinHandle<Vec<String>>,
    done: Sender<()>,
}

impl Server {
    /// Stops the server and returns the request of each connection, in lower case.
    fn requests(self) -> Vec<String> {
        self.done.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

fn serve(replies: Vec<Reply>) -> (Client, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let (done, client_is_done) = channel();
    let thread = thread::spawn(move || {
        let mut open_connections = Vec::new();
        let mut requests = Vec::new();
        for reply in replies {
            let (mut connection, _) = listener.accept().unwrap();
            requests.push(read_request(&mut connection));
            match reply {
                Reply::ThenClose(bytes) => connection.write_all(&bytes).unwrap(),
                Reply::ThenWait(bytes) => {
                    connection.write_all(&bytes).unwrap();
                    open_connections.push(connection); // keep it open until the thread ends
                }
            }
        }
        client_is_done.recv().unwrap();
        requests.iter().map(|request| request.to_ascii_lowercase()).collect()
    });
    (client, Server { thread, done })
}

fn read_request(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"}") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        text.extend(byte);
    }
    String::from_utf8(text).unwrap()
}

fn fetch(client: &Client) -> Result<Tensor> {
    client.init(&Request::new([3]))
}

fn title(result: Result<Tensor>) -> String {
    result.unwrap_err().title
}

#[test]
fn resumes_within_a_value() {
    let (client, server) = serve(vec![
        reply("200 OK", &[WEIGHT_INIT, RESUMABLE, "Content-Length: 12"], &BYTES[..5]),
        reply("206 Partial Content", &["Content-Range: bytes 5-11/12", RESUMABLE, "Content-Length: 7"], &BYTES[5..6]),
        reply("206 Partial Content", &["Content-Range: bytes 6-11/12", RESUMABLE, "Content-Length: 6"], &BYTES[6..]),
    ]);
    assert_eq!(fetch(&client.retries(1)).unwrap().data.into_f32(), [1.0, 2.0, 3.0]);
    let requests = server.requests();
    assert!(!requests[0].contains("range"), "{}", requests[0]);
    assert!(requests[1].contains("\r\nrange: bytes=5-\r\n") && requests[1].contains("\r\nif-range: \"a\"\r\n"), "{}", requests[1]);
    assert!(requests[2].contains("\r\nrange: bytes=6-\r\n"), "{}", requests[2]);
}

#[test]
fn a_complete_response_replaces_the_first_part() {
    let other = r#"Weight-Init: {"shape":[1],"dtype":"float32","seed":8}"#;
    let (client, server) = serve(vec![
        reply("200 OK", &[WEIGHT_INIT, RESUMABLE, "Content-Length: 12"], &BYTES[..6]),
        reply("200 OK", &[other, "Content-Length: 4"], &BYTES[..4]),
    ]);
    let tensor = fetch(&client).unwrap();
    assert_eq!((tensor.shape, tensor.seed, tensor.data.into_f32()), (vec![1], 8, vec![1.0]));
    server.requests();
}

#[test]
fn rejects_the_rest_of_another_response() {
    for headers in [["Content-Range: bytes 4-11/12", "ETag: \"a\""], ["Content-Range: bytes 6-11/12", "ETag: \"b\""]] {
        let (client, server) = serve(vec![
            reply("200 OK", &[WEIGHT_INIT, RESUMABLE, "Content-Length: 12"], &BYTES[..6]),
            reply("206 Partial Content", &headers, &BYTES[6..]),
        ]);
        assert_eq!(title(fetch(&client)), "Wrong Range");
        server.requests();
    }
}

#[test]
fn gives_up_on_a_response_that_cannot_be_resumed() {
    for headers in ["Accept-Ranges: none", "Accept-Ranges: bytes\r\nETag: W/\"a\""] {
        let (client, server) = serve(vec![reply("200 OK", &[WEIGHT_INIT, headers, "Content-Length: 12"], &BYTES[..6]); 3]);
        assert_eq!(title(fetch(&client.retries(2))), "Broken Connection");
        assert!(server.requests().iter().all(|request| !request.contains("range")));
    }
}

#[test]
fn an_incomplete_body_is_a_broken_connection() {
    for headers in [&["Content-Length: 12", "Connection: close"][..], &["Connection: close"], &["Transfer-Encoding: chunked"]] {
        let (client, server) = serve(vec![reply("200 OK", &[&[WEIGHT_INIT], headers].concat(), b"8\r\n123456")]);
        assert_eq!(title(fetch(&client.retries(0))), "Broken Connection", "{headers:?}");
        server.requests();
    }
}

#[test]
fn accepts_a_response_without_content_length() {
    let chunked = [b"5\r\n", &BYTES[..5], b"\r\n7\r\n", &BYTES[5..], b"\r\n0\r\n\r\n"].concat();
    let (client, server) = serve(vec![reply("200 OK", &[WEIGHT_INIT, "Transfer-Encoding: chunked"], &chunked)]);
    assert_eq!(fetch(&client).unwrap().data.into_f32(), [1.0, 2.0, 3.0]);
    server.requests();
}

#[test]
fn rejects_a_length_that_contradicts_the_shape() {
    let (client, server) = serve(vec![reply("200 OK", &[WEIGHT_INIT, "Content-Length: 8"], &BYTES[..8])]);
    assert_eq!(title(fetch(&client)), "Wrong Length");
    server.requests();
}

#[test]
fn rejects_incomplete_or_invalid_metadata() {
    for metadata in ["", "[]", "{}", r#"{"shape":[3],"dtype":"int8","seed":7}"#, r#"{"shape":[-3],"dtype":"float32","seed":7}"#] {
        let header = format!("Weight-Init: {metadata}");
        let (client, server) = serve(vec![reply("200 OK", &[&header, "Content-Length: 12"], &BYTES)]);
        assert_eq!(title(fetch(&client)), "Unexpected Response", "{metadata}");
        server.requests();
    }
}

#[test]
fn does_not_wait_for_more_than_a_minute() {
    let (client, server) = serve(vec![reply("503 Service Unavailable", &["Retry-After: 61", "Content-Length: 0"], b"")]);
    assert_eq!(fetch(&client).unwrap_err().status, 503);
    server.requests();
}

#[test]
fn reports_a_redirect() {
    let (client, server) = serve(vec![reply("301 Moved Permanently", &["Location: https://127.0.0.1/", "Content-Length: 0"], b"")]);
    let error = fetch(&client).unwrap_err();
    assert_eq!(error.status, 301);
    assert!(error.detail.contains("301 Moved Permanently"), "{error}");
    server.requests();
}

#[test]
fn reports_a_response_that_is_not_http() {
    let (client, server) = serve(vec![Reply::ThenClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]);
    assert_eq!(title(fetch(&client)), "Unexpected Response");
    server.requests();
}

#[test]
fn times_out_on_the_second_request() {
    let whole = response("200 OK", &[WEIGHT_INIT, "Content-Length: 12"], &BYTES);
    let (client, server) = serve(vec![Reply::ThenWait(whole), Reply::ThenWait(Vec::new())]);
    let client = client.timeout(Duration::from_millis(200));
    fetch(&client).unwrap();
    assert_eq!(title(fetch(&client)), "Timeout");
    server.requests();
}

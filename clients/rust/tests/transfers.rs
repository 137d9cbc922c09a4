//! What a network and a proxy can do to an answer, by a server that says what it is told to.

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

/// What to say on a connection, and what then becomes of it.
#[derive(Clone)]
enum Reply {
    ThenClose(Vec<u8>),
    ThenWait(Vec<u8>),
}

fn reply(status: &str, headers: &[&str], body: &[u8]) -> Reply {
    Reply::ThenClose(answer(status, headers, body))
}

fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\n{}\r\n\r\n", headers.join("\r\n")).as_bytes(), body].concat()
}

/// One connection for each reply.
struct Server {
    thread: JoinHandle<Vec<String>>,
    done: Sender<()>,
}

impl Server {
    /// What was asked on each connection, in lower case.
    fn asked(self) -> Vec<String> {
        self.done.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

fn serve(replies: Vec<Reply>) -> (Client, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let (done, client_is_done) = channel();
    let thread = thread::spawn(move || {
        let mut open = Vec::new();
        let mut asked = Vec::new();
        for reply in replies {
            let (mut connection, _) = listener.accept().unwrap();
            asked.push(request_on(&mut connection));
            match reply {
                Reply::ThenClose(bytes) => connection.write_all(&bytes).unwrap(),
                Reply::ThenWait(bytes) => {
                    connection.write_all(&bytes).unwrap();
                    open.push(connection); // until the thread ends
                }
            }
        }
        client_is_done.recv().unwrap();
        asked.iter().map(|request| request.to_ascii_lowercase()).collect()
    });
    (client, Server { thread, done })
}

fn request_on(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"}") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        text.extend(byte);
    }
    String::from_utf8(text).unwrap()
}

fn fetched(client: &Client) -> Result<Tensor> {
    client.init(&Request::new([3]))
}

fn title(result: Result<Tensor>) -> String {
    result.unwrap_err().title
}

#[test]
fn a_break_within_a_value_is_resumed_there() {
    let (client, server) = serve(vec![
        reply("200 OK", &[WEIGHT_INIT, RESUMABLE, "Content-Length: 12"], &BYTES[..5]),
        reply("206 Partial Content", &["Content-Range: bytes 5-11/12", RESUMABLE, "Content-Length: 7"], &BYTES[5..6]),
        reply("206 Partial Content", &["Content-Range: bytes 6-11/12", RESUMABLE, "Content-Length: 6"], &BYTES[6..]),
    ]);
    assert_eq!(fetched(&client.retries(1)).unwrap().data.into_f32(), [1.0, 2.0, 3.0]);
    let asked = server.asked();
    assert!(!asked[0].contains("range"), "{}", asked[0]);
    assert!(asked[1].contains("\r\nrange: bytes=5-\r\n") && asked[1].contains("\r\nif-range: \"a\"\r\n"), "{}", asked[1]);
    assert!(asked[2].contains("\r\nrange: bytes=6-\r\n"), "{}", asked[2]);
}

#[test]
fn a_whole_answer_instead_of_the_rest_begins_anew() {
    let other = r#"Weight-Init: {"shape":[1],"dtype":"float32","seed":8}"#;
    let (client, server) = serve(vec![
        reply("200 OK", &[WEIGHT_INIT, RESUMABLE, "Content-Length: 12"], &BYTES[..6]),
        reply("200 OK", &[other, "Content-Length: 4"], &BYTES[..4]),
    ]);
    let tensor = fetched(&client).unwrap();
    assert_eq!((tensor.shape, tensor.seed, tensor.data.into_f32()), (vec![1], 8, vec![1.0]));
    server.asked();
}

#[test]
fn the_rest_of_another_answer_is_an_error() {
    for headers in [["Content-Range: bytes 4-11/12", "ETag: \"a\""], ["Content-Range: bytes 6-11/12", "ETag: \"b\""]] {
        let (client, server) = serve(vec![
            reply("200 OK", &[WEIGHT_INIT, RESUMABLE, "Content-Length: 12"], &BYTES[..6]),
            reply("206 Partial Content", &headers, &BYTES[6..]),
        ]);
        assert_eq!(title(fetched(&client)), "Other Range");
        server.asked();
    }
}

#[test]
fn what_cannot_be_resumed_begins_anew_but_not_for_ever() {
    for headers in ["Accept-Ranges: none", "Accept-Ranges: bytes\r\nETag: W/\"a\""] {
        let (client, server) = serve(vec![reply("200 OK", &[WEIGHT_INIT, headers, "Content-Length: 12"], &BYTES[..6]); 3]);
        assert_eq!(title(fetched(&client.retries(2))), "Broken Connection");
        assert!(server.asked().iter().all(|request| !request.contains("range")));
    }
}

#[test]
fn a_body_without_its_end_is_not_whole() {
    for headers in [&["Content-Length: 12", "Connection: close"][..], &["Connection: close"], &["Transfer-Encoding: chunked"]] {
        let (client, server) = serve(vec![reply("200 OK", &[&[WEIGHT_INIT], headers].concat(), b"8\r\n123456")]);
        assert_eq!(title(fetched(&client.retries(0))), "Broken Connection", "{headers:?}");
        server.asked();
    }
}

#[test]
fn a_proxy_may_leave_out_the_length() {
    let chunked = [b"5\r\n", &BYTES[..5], b"\r\n7\r\n", &BYTES[5..], b"\r\n0\r\n\r\n"].concat();
    let (client, server) = serve(vec![reply("200 OK", &[WEIGHT_INIT, "Transfer-Encoding: chunked"], &chunked)]);
    assert_eq!(fetched(&client).unwrap().data.into_f32(), [1.0, 2.0, 3.0]);
    server.asked();
}

#[test]
fn a_length_that_is_not_that_of_the_shape_is_an_error() {
    let (client, server) = serve(vec![reply("200 OK", &[WEIGHT_INIT, "Content-Length: 8"], &BYTES[..8])]);
    assert_eq!(title(fetched(&client)), "Other Length");
    server.asked();
}

#[test]
fn metadata_that_do_not_tell_what_will_come_are_an_error() {
    for metadata in ["", "[]", "{}", r#"{"shape":[3],"dtype":"int8","seed":7}"#, r#"{"shape":[-3],"dtype":"float32","seed":7}"#] {
        let header = format!("Weight-Init: {metadata}");
        let (client, server) = serve(vec![reply("200 OK", &[&header, "Content-Length: 12"], &BYTES)]);
        assert_eq!(title(fetched(&client)), "Foreign Answer", "{metadata}");
        server.asked();
    }
}

#[test]
fn nobody_waits_for_more_than_a_minute() {
    let (client, server) = serve(vec![reply("503 Service Unavailable", &["Retry-After: 61", "Content-Length: 0"], b"")]);
    assert_eq!(fetched(&client).unwrap_err().status, 503);
    server.asked();
}

#[test]
fn a_redirect_is_an_error_that_says_so() {
    let (client, server) = serve(vec![reply("301 Moved Permanently", &["Location: https://127.0.0.1/", "Content-Length: 0"], b"")]);
    let error = fetched(&client).unwrap_err();
    assert_eq!(error.status, 301);
    assert!(error.detail.contains("301 Moved Permanently"), "{error}");
    server.asked();
}

#[test]
fn what_is_not_http_is_an_error_that_says_so() {
    let (client, server) = serve(vec![Reply::ThenClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]);
    assert_eq!(title(fetched(&client)), "Foreign Answer");
    server.asked();
}

#[test]
fn silence_after_an_answer_is_an_error_after_the_timeout() {
    let whole = answer("200 OK", &[WEIGHT_INIT, "Content-Length: 12"], &BYTES);
    let (client, server) = serve(vec![Reply::ThenWait(whole), Reply::ThenWait(Vec::new())]);
    let client = client.timeout(Duration::from_millis(200));
    fetched(&client).unwrap();
    assert_eq!(title(fetched(&client)), "Timeout");
    server.asked();
}

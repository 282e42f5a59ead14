//! One exchange over WebSocket (RFC 6455): messages are read for a while, and make a body of lines. The next exchange goes on
//! where this one ended, by the cursor that its last message gives.

use std::time::Duration;

use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use futures_util::StreamExt;
use reqwest_websocket::{CloseCode, Message, Upgrade};
use tokio::time::{Instant, timeout, timeout_at};

use super::transport::{Request, Response, TransportError};

/// An exchange lasts so long at most: what came is stored then, and others have their turn at the host.
const LONGEST: Duration = Duration::from_secs(15);
/// Messages of one exchange, at most: no more entries of one body are read.
const MOST: usize = 20_000;

/// How much is read, and how long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Until the connection stands.
    pub(super) first: Duration,
    /// Of the whole exchange.
    pub(super) total: Duration,
    /// Without a message, as when everything was caught up with.
    pub(super) silence: Duration,
    /// Bytes of all messages.
    pub(super) bytes: u64,
}

/// Reads messages. A connection that breaks after some of them is no failure: the next goes on behind the last.
pub(super) async fn listen(
    client: &reqwest::Client,
    request: &Request,
    bounds: Bounds,
) -> Result<Response, TransportError> {
    let broken = |error: reqwest_websocket::Error| {
        TransportError::Connect(format!("{error} ({})", request.url.host_str().unwrap_or("")))
    };
    let builder = super::http::with_token(client.get(request.url.clone()), request);
    // A message is held twice for a moment: both times within what a body may hold.
    let most = usize::try_from(bounds.bytes / 4).ok();
    let config = WebSocketConfig::default().max_message_size(most).max_frame_size(most);
    let sent = timeout(bounds.first, builder.upgrade().web_socket_config(config).send()).await;
    let response = sent.map_err(|_| TransportError::Timeout("answer"))?;
    let response = response.map_err(|error| match error {
        reqwest_websocket::Error::Reqwest(error) => super::http::classify(&error, request),
        error => broken(error),
    })?;
    let status = response.status().as_u16();
    if status != 101 {
        let field = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
        };
        let headers = response.headers().iter().map(field).collect();
        return Ok(Response { status, headers, ..Response::default() });
    }
    let mut socket = response.into_websocket().await.map_err(broken)?;
    let end = Instant::now() + LONGEST.min(bounds.total / 2);
    let mut lines: Vec<u8> = Vec::new();
    let (mut messages, mut wire_bytes) = (0, 0);
    let mut failure = None;
    while messages < MOST && (lines.len() as u64) < bounds.bytes / 2 {
        let patience = (Instant::now() + bounds.silence).min(end);
        match timeout_at(patience, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => {
                wire_bytes += text.len() as u64;
                messages += 1;
                lines.extend(text.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
                lines.push(b'\n');
            }
            Err(_) => break,
            Ok(Some(Ok(Message::Close { code: CloseCode::Normal, .. }))) => break,
            Ok(Some(Ok(Message::Close { code, reason }))) => {
                failure =
                    Some(TransportError::Connect(format!("the server closed the stream: {code} {reason}")));
                break;
            }
            Ok(None) => {
                failure = Some(TransportError::Connect("the server closed the stream".to_owned()));
                break;
            }
            // Pings are answered by the library; what is not text says nothing.
            Ok(Some(Ok(_))) => (),
            Ok(Some(Err(error))) => {
                failure = Some(broken(error));
                break;
            }
        }
        if Instant::now() >= end {
            break;
        }
    }
    if messages == 0
        && let Some(failure) = failure
    {
        return Err(failure);
    }
    // Whether the server hears it or not, the connection ends.
    drop(timeout(Duration::from_secs(1), socket.close(CloseCode::Normal, None)).await);
    let headers = vec![("content-type".to_owned(), "application/x-ndjson".to_owned())];
    Ok(Response { status: 200, headers, body: lines.into(), wire_bytes, ..Response::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_tungstenite::tokio::accept_async;
    use async_tungstenite::tungstenite::Message as Sent;
    use async_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode as Code};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    /// What `serve` does with one connection on loopback, as it is listened to.
    async fn check<F, S>(serve: F) -> Result<Response, TransportError>
    where
        F: FnOnce(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/subscribe", listener.local_addr().unwrap()).parse().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { serve(listener.accept().await.unwrap().0).await });
        let client = reqwest::Client::builder().no_proxy().http1_only().build().unwrap();
        let request = Request {
            url,
            accept: "",
            listens: true,
            token: None,
            if_none_match: None,
            if_modified_since: None,
            form: None,
            keep_at_most: None,
        };
        let second = Duration::from_secs(10);
        let bounds = Bounds { first: second, total: second, silence: Duration::from_millis(300), bytes: 100 };
        listen(&client, &request, bounds).await
    }

    async fn sends(
        stream: TcpStream,
        messages: &[&str],
    ) -> async_tungstenite::WebSocketStream<async_tungstenite::tokio::TokioAdapter<TcpStream>> {
        let mut socket = accept_async(stream).await.unwrap();
        for message in messages {
            socket.send(Sent::text(*message)).await.unwrap();
        }
        socket
    }

    fn body(answer: &Result<Response, TransportError>) -> (u16, &str) {
        let answer = answer.as_ref().unwrap();
        (answer.status, std::str::from_utf8(&answer.body).unwrap())
    }

    /// Messages are lines; the end is a close, a silence, a break, or what may be held at once.
    #[tokio::test]
    async fn messages_make_a_body_of_lines() {
        let closed =
            check(async |stream| sends(stream, &["one", "t\nwo"]).await.close(None).await.unwrap()).await;
        assert_eq!(body(&closed), (200, "one\nt wo\n"));
        let silent = check(async |stream| {
            let _socket = sends(stream, &["қазақша"]).await;
            std::future::pending().await
        });
        assert_eq!(body(&silent.await), (200, "қазақша\n"));
        let broken = check(async |stream| drop(sends(stream, &["one"]).await)).await;
        assert_eq!(body(&broken), (200, "one\n"));
        let many = check(async |stream| {
            let _socket = sends(stream, &["0123456789"; 20]).await;
            std::future::pending().await
        });
        let many = many.await;
        // Half of what a body may hold: five lines of eleven bytes are the first beyond it.
        assert_eq!(body(&many).1.lines().count(), 5);
    }

    #[tokio::test]
    async fn a_server_that_refuses_is_told_by_its_status() {
        let refused = check(async |mut stream| {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        });
        let refused = refused.await.unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
        let gone = check(async |stream| drop(stream)).await;
        assert!(matches!(gone, Err(TransportError::Connect(_))), "{gone:?}");
        // Taken up, and closed for a reason, before anything came.
        let closed = check(async |stream| {
            let reason = CloseFrame { code: Code::Policy, reason: "not you".into() };
            sends(stream, &[]).await.close(Some(reason)).await.unwrap();
        });
        let told = closed.await.unwrap_err().to_string();
        assert!(told.contains("not you"), "{told}");
        // Larger than one message may be.
        let long = "x".repeat(200);
        let large = check(async move |stream| drop(sends(stream, &[&long]).await)).await;
        assert!(matches!(large, Err(TransportError::Connect(_))), "{large:?}");
    }
}

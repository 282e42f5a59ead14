//! An exchange over WebSocket (RFC 6455): messages are received for a limited time and become the lines of a body.
//! The next exchange resumes from the cursor in the last message.

use std::time::Duration;

use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use futures_util::StreamExt;
use reqwest_websocket::{CloseCode, Message, Upgrade};
use tokio::time::{Instant, timeout, timeout_at};

use super::transport::{Request, Response, TransportError};

/// Upper bound on the duration of an exchange. After it the messages are stored, and other jobs of the host can run.
const MAX_DURATION: Duration = Duration::from_secs(15);
/// Upper bound on the messages of an exchange, equal to the number of entries that are read from one body.
const MAX_MESSAGES: usize = 20_000;

/// The limits of an exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The time limit for the connection and the WebSocket handshake.
    pub(super) connect_timeout: Duration,
    /// The time limit for the whole exchange.
    pub(super) total_timeout: Duration,
    /// The time without a message after which the exchange ends, because there is no backlog left.
    pub(super) idle_timeout: Duration,
    /// Upper bound on the memory for all messages, in bytes.
    pub(super) max_bytes: u64,
}

/// Receives messages. A connection that breaks after the first message is not an error: the next exchange resumes
/// after the last message.
pub(super) async fn receive(
    client: &reqwest::Client,
    request: &Request,
    limits: Limits,
) -> Result<Response, TransportError> {
    let connection_error = |error: reqwest_websocket::Error| {
        TransportError::Connect(format!("{error} ({})", request.url.host_str().unwrap_or("")))
    };
    let builder = super::http::with_token(client.get(request.url.clone()), request);
    // A message is briefly in memory twice, in the socket's buffer and in the body. Both copies must fit into the
    // limit.
    let max_size = usize::try_from(limits.max_bytes / 4).ok();
    let config = WebSocketConfig::default().max_message_size(max_size).max_frame_size(max_size);
    let handshake = builder.upgrade().web_socket_config(config).send();
    let result = timeout(limits.connect_timeout, handshake).await;
    let response = result.map_err(|_| TransportError::Timeout("response"))?;
    let response = response.map_err(|error| match error {
        reqwest_websocket::Error::Reqwest(error) => super::http::transport_error(&error, request),
        error => connection_error(error),
    })?;
    let status = response.status().as_u16();
    if status != 101 {
        let field = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
        };
        let headers = response.headers().iter().map(field).collect();
        return Ok(Response { status, headers, ..Response::default() });
    }
    let mut socket = response.into_websocket().await.map_err(connection_error)?;
    let end = Instant::now() + MAX_DURATION.min(limits.total_timeout / 2);
    let mut lines: Vec<u8> = Vec::new();
    let (mut messages, mut wire_bytes) = (0, 0);
    let mut failure = None;
    while messages < MAX_MESSAGES && (lines.len() as u64) < limits.max_bytes / 2 {
        let message_deadline = (Instant::now() + limits.idle_timeout).min(end);
        match timeout_at(message_deadline, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => {
                wire_bytes += text.len() as u64;
                messages += 1;
                lines.extend(text.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
                lines.push(b'\n');
            }
            Err(_) => break,
            Ok(Some(Ok(Message::Close { code: CloseCode::Normal, .. }))) => break,
            Ok(Some(Ok(Message::Close { code, reason }))) => {
                failure = Some(TransportError::Connect(format!(
                    "the server closed the connection: {code} {reason}"
                )));
                break;
            }
            Ok(None) => {
                failure = Some(TransportError::Connect("the server closed the connection".to_owned()));
                break;
            }
            // The library answers pings. Messages that are not text are ignored.
            Ok(Some(Ok(_))) => (),
            Ok(Some(Err(error))) => {
                failure = Some(connection_error(error));
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
    // The connection ends even if the close message is not delivered.
    drop(timeout(Duration::from_secs(1), socket.close(CloseCode::Normal, None)).await);
    let headers = vec![("content-type".to_owned(), "application/x-ndjson".to_owned())];
    Ok(Response { status: 200, headers, body: lines.into(), wire_bytes, ..Response::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_tungstenite::tokio::accept_async;
    use async_tungstenite::tungstenite::Message as ServerMessage;
    use async_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode as Code};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    /// Serves one loopback connection with `serve`, and returns the result of [`receive`].
    async fn receive_from<F, S>(serve: F) -> Result<Response, TransportError>
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
            is_websocket: true,
            token: None,
            if_none_match: None,
            if_modified_since: None,
            form: None,
            truncate_at: None,
        };
        let limits = Limits {
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_millis(300),
            max_bytes: 100,
        };
        receive(&client, &request, limits).await
    }

    async fn send_messages(
        stream: TcpStream,
        messages: &[&str],
    ) -> async_tungstenite::WebSocketStream<async_tungstenite::tokio::TokioAdapter<TcpStream>> {
        let mut socket = accept_async(stream).await.unwrap();
        for message in messages {
            socket.send(ServerMessage::text(*message)).await.unwrap();
        }
        socket
    }

    fn body(result: &Result<Response, TransportError>) -> (u16, &str) {
        let response = result.as_ref().unwrap();
        (response.status, std::str::from_utf8(&response.body).unwrap())
    }

    /// The exchange ends with a close message, the idle timeout, a broken connection or the memory limit.
    #[tokio::test]
    async fn messages_become_lines_of_the_body() {
        let closed = receive_from(async |stream| {
            send_messages(stream, &["one", "t\nwo"]).await.close(None).await.unwrap()
        })
        .await;
        assert_eq!(body(&closed), (200, "one\nt wo\n"));
        let idle = receive_from(async |stream| {
            let _socket = send_messages(stream, &["қазақша"]).await;
            std::future::pending().await
        });
        assert_eq!(body(&idle.await), (200, "қазақша\n"));
        let broken = receive_from(async |stream| drop(send_messages(stream, &["one"]).await)).await;
        assert_eq!(body(&broken), (200, "one\n"));
        let long = receive_from(async |stream| {
            let _socket = send_messages(stream, &["0123456789"; 20]).await;
            std::future::pending().await
        });
        let long = long.await;
        // The body may use half of the limit: five lines of eleven bytes are the first to exceed it.
        assert_eq!(body(&long).1.lines().count(), 5);
    }

    #[tokio::test]
    async fn failed_handshakes_and_broken_connections_are_errors() {
        let response_429 = receive_from(async |mut stream| {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let response = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(response).await.unwrap();
        });
        let response_429 = response_429.await.unwrap();
        assert_eq!((response_429.status, response_429.header("retry-after")), (429, Some("60")));
        let no_handshake = receive_from(async |stream| drop(stream)).await;
        assert!(matches!(no_handshake, Err(TransportError::Connect(_))), "{no_handshake:?}");
        // The server accepts the connection and closes it with a reason before the first message.
        let closed = receive_from(async |stream| {
            let reason = CloseFrame { code: Code::Policy, reason: "not you".into() };
            send_messages(stream, &[]).await.close(Some(reason)).await.unwrap();
        });
        let error = closed.await.unwrap_err().to_string();
        assert!(error.contains("not you"), "{error}");
        // The message exceeds the maximum message size.
        let message = "x".repeat(200);
        let large = receive_from(async move |stream| drop(send_messages(stream, &[&message]).await)).await;
        assert!(matches!(large, Err(TransportError::Connect(_))), "{large:?}");
    }
}

//! Jetstream: what is posted, edited and deleted, as events with a cursor, over a WebSocket that never ends.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::Role;
use futures_util::StreamExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Query;
use crate::pages::Press;
use crate::site::Behaviour;

/// How often it looks for what is new.
const LOOK: Duration = Duration::from_millis(50);

/// An event, and when it came by, in microseconds.
pub(crate) type Event = (i64, String);

/// Where a listener goes on: with what came by at its cursor, or with what comes by from now on.
pub(crate) fn cursor(query: &Query<'_>, now: i64) -> i64 {
    query.said("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(now)
}

/// Tells a listener what came by since the cursor, and what comes, until it goes, or the server is out.
pub(crate) async fn tell(
    socket: Upgraded,
    mut cursor: i64,
    events: impl Fn() -> Option<Vec<Event>>,
    mut stopped: watch::Receiver<()>,
) {
    let socket = TokioAdapter::new(TokioIo::new(socket));
    let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
    while let Some(events) = events() {
        for (at, event) in events.into_iter().filter(|(at, _)| *at >= cursor).collect::<Vec<_>>() {
            if socket.send(Message::text(event)).await.is_err() {
                return;
            }
            cursor = at + 1;
        }
        tokio::select! {
            () = sleep(LOOK) => (),
            // It says nothing but that it goes.
            message = socket.next() => match message {
                Some(Ok(message)) if !message.is_close() => (),
                _ => return,
            },
            _ = stopped.changed() => return,
        }
    }
}

impl Press<'_> {
    /// Everything that came by so far, in its order: each article when it came out, and what became of it two articles later.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for number in 0..self.published {
            let Some(at) = self.came_by(number) else { continue };
            let new = Press { published: number + 1, ..*self }.post(number);
            events.extend(new.map(|post| self.event(at, number, "create", Some(self.record(&post)))));
            // Somebody likes it, which is no post.
            events.push(self.like(at + 1, number));
            let changed = number.checked_sub(2).filter(|n| self.site.is_changed(*n, self.published));
            match changed.map(|changed| (self.site.behaviour, changed, self.post(changed))) {
                Some((Behaviour::Edits, changed, Some(post))) => {
                    events.push(self.event(at + 2, changed, "update", Some(self.record(&post))));
                }
                Some((Behaviour::Deletes, changed, None)) => {
                    events.push(self.event(at + 2, changed, "delete", None))
                }
                _ => (),
            }
        }
        events
    }

    fn event(&self, time_us: i64, number: u32, operation: &str, record: Option<Value>) -> Event {
        let event = json!({
            "did": self.did(), "time_us": time_us, "kind": "commit",
            "commit": {"operation": operation, "collection": "app.bsky.feed.post", "rkey": (number + 1).to_string(), "record": record},
        });
        (time_us, event.to_string())
    }

    fn like(&self, time_us: i64, number: u32) -> Event {
        let record = json!({"$type": "app.bsky.feed.like", "createdAt": self.said_at(number), "subject": {"uri": self.did()}});
        let event = json!({
            "did": "did:plc:else", "time_us": time_us, "kind": "commit",
            "commit": {"operation": "create", "collection": "app.bsky.feed.like", "rkey": number.to_string(), "record": record},
        });
        (time_us, event.to_string())
    }
}

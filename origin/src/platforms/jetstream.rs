//! Jetstream: created, edited and deleted posts as events with a cursor, over an endless WebSocket.

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

use crate::pages::SiteView;
use crate::query::Query;
use crate::site::Behaviour;

/// Interval between checks for new events.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The time of an event in microseconds, and the event.
pub(crate) type Event = (i64, String);

/// Returns the time of the first event to send: the cursor of the query, or `now`.
pub(crate) fn cursor(query: &Query<'_>, now: i64) -> i64 {
    query.parameter("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(now)
}

/// Sends the events from the cursor on to a listener, until it disconnects, `events` returns `None`, or the server
/// stops.
pub(crate) async fn stream(
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
            () = sleep(CHECK_INTERVAL) => (),
            // A listener sends nothing but a close message.
            message = socket.next() => match message {
                Some(Ok(message)) if !message.is_close() => (),
                _ => return,
            },
            _ = stopped.changed() => return,
        }
    }
}

impl SiteView<'_> {
    /// Returns all events so far, in order: the creation of each post, and its edit or deletion two posts later.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for number in 0..self.published {
            let Some(at) = self.published_micros(number) else { continue };
            let new = SiteView { published: number + 1, ..*self }.post(number);
            events.extend(new.map(|post| self.event(at, number, "create", Some(self.record(&post)))));
            // A like, which is not a post.
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
        let record = json!({"$type": "app.bsky.feed.like", "createdAt": self.date_text(number), "subject": {"uri": self.did()}});
        let event = json!({
            "did": "did:plc:else", "time_us": time_us, "kind": "commit",
            "commit": {"operation": "create", "collection": "app.bsky.feed.like", "rkey": number.to_string(), "record": record},
        });
        (time_us, event.to_string())
    }
}

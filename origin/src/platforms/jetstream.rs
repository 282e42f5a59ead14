//! Jetstream: what is posted, edited and deleted, as events with a cursor, over a WebSocket that never ends.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::Role;
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

/// Where a listener goes on: behind its cursor, or with what comes by from now on.
pub(crate) fn cursor(query: &Query<'_>, now: i64) -> i64 {
    query.said("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(now)
}

/// Tells a listener what came by behind the cursor, and what comes.
pub(crate) async fn tell(
    socket: Upgraded,
    mut cursor: i64,
    events: impl Fn() -> Vec<Event>,
    mut stopped: watch::Receiver<()>,
) {
    let socket = TokioAdapter::new(TokioIo::new(socket));
    let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
    loop {
        for (at, event) in events().into_iter().filter(|(at, _)| *at > cursor).collect::<Vec<_>>() {
            if socket.send(Message::text(event)).await.is_err() {
                return;
            }
            cursor = at;
        }
        tokio::select! {
            () = sleep(LOOK) => (),
            _ = stopped.changed() => return,
        }
    }
}

impl Press<'_> {
    /// Everything that came by so far, in its order: each article when it came out, and what became of it two articles later.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for number in 0..self.published {
            if let Some(at) = self.moment(number) {
                let new = Press { published: number + 1, ..*self }.post(number);
                events.extend(new.map(|post| self.event(at, 0, number, "create", Some(self.record(&post)))));
            }
            let Some(changed) = number.checked_sub(2).filter(|n| self.site.is_changed(*n, self.published))
            else {
                continue;
            };
            let Some(at) = self.moment(number) else { continue };
            match (self.site.behaviour, self.post(changed)) {
                (Behaviour::Edits, Some(post)) => {
                    events.push(self.event(at, 1, changed, "update", Some(self.record(&post))));
                }
                (Behaviour::Deletes, None) => events.push(self.event(at, 1, changed, "delete", None)),
                _ => (),
            }
        }
        events
    }

    fn event(
        &self,
        at: jiff::Timestamp,
        order: i64,
        number: u32,
        operation: &str,
        record: Option<Value>,
    ) -> Event {
        let time_us = at.as_microsecond() + order;
        let event = json!({
            "did": self.did(), "time_us": time_us, "kind": "commit",
            "commit": {"operation": operation, "collection": "app.bsky.feed.post", "rkey": (number + 1).to_string(), "record": record},
        });
        (time_us, event.to_string())
    }
}

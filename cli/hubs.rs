//! The door for hubs (WebSub): `/websub/ID`, asked back by GET, pushed to by POST. Whoever does not know an ID finds nothing.

use std::sync::Arc;
use std::time::Duration;

use actors::{Context, HubReply, hub_asks, hub_pushes, hub_was_refused, is_subscribed};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;

use crate::serve::{Answered, Served, response, serve};
use crate::terminal::failure::Failure;

/// How long a document may take to be said.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at the same time: each may hold a document in memory.
const CONNECTIONS: usize = 16;
/// The largest document that is taken, bytes: what is new in a source, not all of it.
const MOST: usize = 4 << 20;
const TEXT: &str = "text/plain; charset=utf-8";

/// Serves them until what comes back is dropped. Documents of at most so many bytes are taken.
pub(crate) async fn serve_hubs(listen: &str, most: u64, context: Arc<Context>) -> anyhow::Result<Served> {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(MOST);
    let answered = move |request: Request<Incoming>| {
        let context = context.clone();
        async move { answer(request, most, &context).await }
    };
    serve(listen, CONNECTIONS, answered).await.map_err(|error| {
        Failure::failed(format!("hubs cannot be served on {listen}: {error}"))
            .hint("name another address in websub.listen")
            .into()
    })
}

async fn answer(request: Request<Incoming>, most: usize, context: &Context) -> Answered {
    // Whatever `websub.url` has before it: a balancer may leave that.
    let path = request.uri().path().rsplit_once("/websub/");
    let Some(id) = path.map(|(_, id)| id.to_owned()) else {
        return response(StatusCode::NOT_FOUND, TEXT, "nothing is here\n".to_owned());
    };
    if *request.method() == Method::GET {
        return told(
            hub_asks(context, &id, request.uri().query().unwrap_or("")).await,
            StatusCode::NOT_FOUND,
        );
    }
    if *request.method() != Method::POST {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET or POST\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
        return refused;
    }
    // Before the document is taken in: only who was asked may send one.
    match is_subscribed(context, &id).await {
        Ok(true) => (),
        Ok(false) => return told(HubReply::Unknown, StatusCode::GONE),
        Err(reason) => return told(HubReply::Later(reason.to_string()), StatusCode::GONE),
    }
    let field =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (signature, kind) = (field("x-hub-signature"), field(CONTENT_TYPE.as_str()));
    match body_of(request, most).await {
        // A hub that is told that nobody asked for it stops.
        Ok(body) => told(hub_pushes(context, &id, signature.as_deref(), kind, body).await, StatusCode::GONE),
        Err((status, reason)) => {
            hub_was_refused(context, reason.trim());
            response(status, TEXT, reason)
        }
    }
}

async fn body_of(request: Request<Incoming>, most: usize) -> Result<Bytes, (StatusCode, String)> {
    let coding = request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        let reason = "documents are taken as they are, without a coding\n".to_owned();
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let too_large = || (StatusCode::PAYLOAD_TOO_LARGE, format!("at most {most} bytes are taken\n"));
    // Before it is invited to send it.
    if request.body().size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    match timeout(PATIENCE, Limited::new(request.into_body(), most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the document broke off\n".to_owned())),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the document came too slowly\n".to_owned())),
    }
}

fn told(answer: HubReply, unknown: StatusCode) -> Answered {
    match answer {
        HubReply::Challenge(challenge) => response(StatusCode::OK, TEXT, challenge),
        HubReply::Thanks => response(StatusCode::ACCEPTED, TEXT, String::new()),
        HubReply::Unknown => response(unknown, TEXT, "nobody here asked for it\n".to_owned()),
        HubReply::Later(reason) => {
            tracing::warn!(reason, "what a hub said could not be kept");
            response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "later\n".to_owned())
        }
    }
}

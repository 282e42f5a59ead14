use std::sync::Mutex;

use async_trait::async_trait;
use model::SystemClock;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::*;
use crate::fetch::{Busy, RobotsOutcome};
use crate::robots::NoMemory;

const DELAY: Duration = Duration::from_secs(5);

/// Each address answers after a second, some in ways of their own; there are no robots.txt files.
struct Web;

#[async_trait]
impl Transport for Web {
    async fn exchange(&self, _pass: Pass, request: &Request) -> Result<Response, TransportError> {
        sleep(Duration::from_secs(1)).await;
        let says = |status, (name, value): (&str, &str)| {
            let headers = vec![(name.to_owned(), value.to_owned())];
            Response { status, headers, ..Response::default() }
        };
        Ok(match request.url.path() {
            "/robots.txt" => Response { status: 404, ..Response::default() },
            "/limited" => says(429, ("x-ratelimit-reset", "3")),
            "/busy" => says(503, ("x-ratelimit-reset", "3")),
            "/elsewhere" => says(307, ("location", "https://b.kz/hub")),
            "/plain" => says(308, ("location", "http://a.kz/hub")),
            "/see" => says(303, ("location", "/hub")),
            "/here" => says(307, ("location", "/hub")),
            _ => Response { status: 200, ..Response::default() },
        })
    }
}

/// Forgets when it gave a permit last: each is good at once.
struct Careless(Option<Permit>, watch::Sender<Instant>);

impl Careless {
    fn new() -> Self {
        Self(None, watch::Sender::new(Instant::now() + Duration::from_secs(3600)))
    }
}

#[async_trait]
impl Permits for Careless {
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, Busy> {
        let host = Host::of(url).ok_or(Busy { until: Timestamp::MAX })?;
        Ok(self.0.insert(Permit::new(host, DELAY, Duration::ZERO, self.1.subscribe())))
    }
}

/// Writes down what it is told.
#[derive(Default)]
struct Told(Mutex<(Vec<Rule>, Vec<RobotsOutcome>)>);

impl FetchObserver for Told {
    fn violated(&self, rule: Rule) {
        self.0.lock().unwrap().0.push(rule);
    }
    fn robots_asked(&self, outcome: RobotsOutcome) {
        self.0.lock().unwrap().1.push(outcome);
    }
}

fn door() -> (Door, Arc<Told>) {
    let policy = FetchPolicy {
        agent: "Qyran".to_owned(),
        max_crawl_delay: DELAY,
        max_retry_after: DELAY,
        longest_exchange: DELAY,
        guard: AddressGuard::default(),
        tokens: Tokens::default(),
    };
    let told = Arc::new(Told::default());
    let door = Door::new(Arc::new(Web), Arc::new(NoMemory), policy, Arc::new(SystemClock));
    (door.observed_by(told.clone()), told)
}

#[tokio::test(start_paused = true)]
async fn who_loses_track_of_a_host_is_seen() {
    let (door, told) = door();
    let page = |name: &str| Url::parse(&format!("http://{name}.kz/page")).unwrap();
    let mut careless = Careless::new();
    door.fetch(&page("a"), &Want::default(), &mut careless).await.unwrap();
    let told_so_far = || std::mem::take(&mut *told.0.lock().unwrap());
    assert_eq!(
        told_so_far(),
        (vec![Rule::Delay], vec![RobotsOutcome::None]),
        "robots.txt, and at once the page"
    );
    let (page, want) = (page("b"), Want::default());
    let (mut one, mut other) = (Careless::new(), Careless::new());
    let both = tokio::join!(door.fetch(&page, &want, &mut one), door.fetch(&page, &want, &mut other));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert!(told_so_far().0.contains(&Rule::Concurrency));
}

/// A source's own words may lead anywhere: its token is for its own host, and not for everybody on the way.
#[tokio::test]
async fn a_token_is_for_its_own_host() {
    let (door, _) = door();
    let url = |text: &str| Url::parse(text).unwrap();
    let name = Name::new("club").unwrap();
    let want = Want { token: Some(TokenFor { name, at: url("https://a.kz/api") }), ..Want::default() };
    for (at, expected) in [
        ("https://b.kz/api", None),
        ("https://a.kz:8443/api", None),
        ("http://a.kz/api", None),
        ("https://a.kz/other", Some("QYRAN_TOKEN_CLUB")), // looked for, and not there
    ] {
        match (door.token_for(&want, &url(at)).await, expected) {
            (Ok(None), None) => (),
            (Err(FetchError::Token(told)), Some(expected)) if told.contains(expected) => (),
            (other, _) => panic!("{at}: {other:?}"),
        }
    }
    let plain = Want {
        token: want.token.map(|token| TokenFor { at: url("http://a.kz/"), ..token }),
        ..Want::default()
    };
    let told = door.token_for(&plain, &url("http://a.kz/x")).await.unwrap_err().to_string();
    assert!(told.contains("not sent over plain HTTP"), "{told}");
}

/// The control: permits that keep track give nothing to see.
#[tokio::test(start_paused = true)]
async fn who_keeps_track_of_hosts_is_not() {
    let (door, told) = door();
    let mut visit = crate::fetch::OneVisit::new(DELAY);
    for path in ["/a", "/b", "/c"] {
        let url = Url::parse(&format!("http://a.kz{path}")).unwrap();
        door.fetch(&url, &Want::default(), &mut visit).await.unwrap();
    }
    assert_eq!(told.0.lock().unwrap().0, []);
}

/// A form, which may hold a secret, is carried on within its origin, by redirects that say so, and nowhere else.
#[tokio::test(start_paused = true)]
async fn forms_stay_where_they_were_sent() {
    let (door, _) = door();
    for (path, is_form, is_carried) in [
        ("/here", true, true),
        ("/elsewhere", true, false),
        ("/plain", true, false),
        ("/see", true, false),
        // The control: without a form each of them is followed.
        ("/elsewhere", false, true),
        ("/plain", false, true),
        ("/see", false, true),
    ] {
        let want = Want { form: is_form.then(|| "hub.secret=x".to_owned()), ..Want::default() };
        let url = Url::parse(&format!("https://a.kz{path}")).unwrap();
        let came = door.fetch(&url, &want, &mut Careless::new()).await;
        assert_eq!(came.is_ok(), is_carried, "{path} {is_form}: {came:?}");
    }
}

/// A refusal that only tells when requests are counted anew is obeyed like Retry-After; other answers that count are not refusals.
#[tokio::test(start_paused = true)]
async fn counts_of_requests_are_obeyed() {
    let (door, _) = door();
    for (path, expected) in [("/limited", Some(Duration::from_secs(3))), ("/busy", None), ("/x", None)] {
        let mut visit = crate::fetch::OneVisit::new(Duration::ZERO);
        let url = Url::parse(&format!("https://a.kz{path}")).unwrap();
        let came = door.fetch(&url, &Want::default(), &mut visit).await;
        let asked = came.err().and_then(|error| error.retry_after());
        assert_eq!(asked, expected, "{path}");
        let again = door.fetch(&Url::parse("https://a.kz/y").unwrap(), &Want::default(), &mut visit).await;
        assert_eq!(
            matches!(again, Err(FetchError::HostBusy { .. })),
            expected.is_some(),
            "{path}: {again:?}"
        );
    }
}

use std::sync::Mutex;

use async_trait::async_trait;
use model::SystemClock;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::*;
use crate::fetch::{PermitUnavailable, RobotsOutcome};
use crate::robots::NoRobotsStore;

const DELAY: Duration = Duration::from_secs(5);

/// A transport that responds after a second. Some paths have special responses, and there is no robots.txt.
struct FakeWeb;

#[async_trait]
impl Transport for FakeWeb {
    async fn exchange(&self, _pass: Pass, request: &Request) -> Result<Response, TransportError> {
        sleep(Duration::from_secs(1)).await;
        let respond = |status, (name, value): (&str, &str)| {
            let headers = vec![(name.to_owned(), value.to_owned())];
            Response { status, headers, ..Response::default() }
        };
        Ok(match request.url.path() {
            "/robots.txt" => Response { status: 404, ..Response::default() },
            "/limited" => respond(429, ("x-ratelimit-reset", "3")),
            "/busy" => respond(503, ("x-ratelimit-reset", "3")),
            "/elsewhere" => respond(307, ("location", "https://b.kz/hub")),
            "/plain" => respond(308, ("location", "http://a.kz/hub")),
            "/see" => respond(303, ("location", "/hub")),
            "/here" => respond(307, ("location", "/hub")),
            _ => Response { status: 200, ..Response::default() },
        })
    }
}

/// A provider that violates the rules: each permit can be used immediately.
struct RecklessPermits(Option<Permit>, watch::Sender<Instant>);

impl RecklessPermits {
    fn new() -> Self {
        Self(None, watch::Sender::new(Instant::now() + Duration::from_secs(3600)))
    }
}

#[async_trait]
impl Permits for RecklessPermits {
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, PermitUnavailable> {
        let host = Host::from_url(url).ok_or(PermitUnavailable { until: Timestamp::MAX })?;
        Ok(self.0.insert(Permit::new(host, DELAY, Duration::ZERO, self.1.subscribe())))
    }
}

/// An observer that records violations and robots.txt fetches.
#[derive(Default)]
struct RecordingObserver(Mutex<(Vec<Rule>, Vec<RobotsOutcome>)>);

impl FetchObserver for RecordingObserver {
    fn rule_violated(&self, rule: Rule) {
        self.0.lock().unwrap().0.push(rule);
    }
    fn robots_fetched(&self, outcome: RobotsOutcome) {
        self.0.lock().unwrap().1.push(outcome);
    }
}

fn door() -> (Door, Arc<RecordingObserver>) {
    let policy = FetchPolicy {
        agent: "Qyran".to_owned(),
        max_crawl_delay: DELAY,
        max_retry_after: DELAY,
        longest_exchange: DELAY,
        guard: AddressGuard::default(),
        tokens: TokenReader::default(),
    };
    let observer = Arc::new(RecordingObserver::default());
    let door = Door::new(Arc::new(FakeWeb), Arc::new(NoRobotsStore), policy, Arc::new(SystemClock));
    (door.with_observer(observer.clone()), observer)
}

#[tokio::test(start_paused = true)]
async fn violations_of_delay_and_concurrency_are_reported() {
    let (door, observer) = door();
    let page = |name: &str| Url::parse(&format!("http://{name}.kz/page")).unwrap();
    let mut permits = RecklessPermits::new();
    door.fetch(&page("a"), &FetchParams::default(), &mut permits).await.unwrap();
    let take_events = || std::mem::take(&mut *observer.0.lock().unwrap());
    assert_eq!(
        take_events(),
        (vec![Rule::Delay], vec![RobotsOutcome::None]),
        "the page is fetched immediately after robots.txt"
    );
    let (page, want) = (page("b"), FetchParams::default());
    let (mut first_permits, mut second_permits) = (RecklessPermits::new(), RecklessPermits::new());
    let results = tokio::join!(
        door.fetch(&page, &want, &mut first_permits),
        door.fetch(&page, &want, &mut second_permits)
    );
    assert!(results.0.is_ok() && results.1.is_ok());
    assert!(take_events().0.contains(&Rule::Concurrency));
}

/// A source may redirect to any host. Its token is sent to its own origin only.
#[tokio::test]
async fn a_token_is_sent_to_its_own_origin_only() {
    let (door, _) = door();
    let url = |text: &str| Url::parse(text).unwrap();
    let name = Name::new("club").unwrap();
    let want = FetchParams {
        token: Some(OriginToken { name, at: url("https://a.kz/api") }),
        ..FetchParams::default()
    };
    for (at, expected) in [
        ("https://b.kz/api", None),
        ("https://a.kz:8443/api", None),
        ("http://a.kz/api", None),
        ("https://a.kz/other", Some("QYRAN_TOKEN_CLUB")), // the token is read, but not set
    ] {
        match (door.token_for(&want, &url(at)).await, expected) {
            (Ok(None), None) => (),
            (Err(FetchError::Token(error)), Some(expected)) if error.contains(expected) => (),
            (result, _) => panic!("{at}: {result:?}"),
        }
    }
    let plain = FetchParams {
        token: want.token.map(|token| OriginToken { at: url("http://a.kz/"), ..token }),
        ..FetchParams::default()
    };
    let error = door.token_for(&plain, &url("http://a.kz/x")).await.unwrap_err().to_string();
    assert!(error.contains("must not be sent over plain HTTP"), "{error}");
}

/// The control: permits that keep the delay cause no violations.
#[tokio::test(start_paused = true)]
async fn permits_that_keep_the_delay_cause_no_violations() {
    let (door, observer) = door();
    let mut visit = crate::fetch::ManualVisitPermits::new(DELAY);
    for path in ["/a", "/b", "/c"] {
        let url = Url::parse(&format!("http://a.kz{path}")).unwrap();
        door.fetch(&url, &FetchParams::default(), &mut visit).await.unwrap();
    }
    assert_eq!(observer.0.lock().unwrap().0, []);
}

/// A form may contain a secret. It follows 307 and 308 redirects within its origin only.
#[tokio::test(start_paused = true)]
async fn forms_are_not_redirected_to_other_origins() {
    let (door, _) = door();
    for (path, is_form, is_followed) in [
        ("/here", true, true),
        ("/elsewhere", true, false),
        ("/plain", true, false),
        ("/see", true, false),
        // The control: without a form all redirects are followed.
        ("/elsewhere", false, true),
        ("/plain", false, true),
        ("/see", false, true),
    ] {
        let want = FetchParams { form: is_form.then(|| "hub.secret=x".to_owned()), ..FetchParams::default() };
        let url = Url::parse(&format!("https://a.kz{path}")).unwrap();
        let result = door.fetch(&url, &want, &mut RecklessPermits::new()).await;
        assert_eq!(result.is_ok(), is_followed, "{path} {is_form}: {result:?}");
    }
}

/// The reset time of a rate limit acts like `Retry-After` in a response with status 429, but not in other responses.
#[tokio::test(start_paused = true)]
async fn rate_limit_resets_block_the_host() {
    let (door, _) = door();
    for (path, expected) in [("/limited", Some(Duration::from_secs(3))), ("/busy", None), ("/x", None)] {
        let mut visit = crate::fetch::ManualVisitPermits::new(Duration::ZERO);
        let url = Url::parse(&format!("https://a.kz{path}")).unwrap();
        let result = door.fetch(&url, &FetchParams::default(), &mut visit).await;
        let pause = result.err().and_then(|error| error.retry_after());
        assert_eq!(pause, expected, "{path}");
        let second_result =
            door.fetch(&Url::parse("https://a.kz/y").unwrap(), &FetchParams::default(), &mut visit).await;
        assert_eq!(
            matches!(second_result, Err(FetchError::HostBusy { .. })),
            expected.is_some(),
            "{path}: {second_result:?}"
        );
    }
}

//! WebSub (W3C Recommendation 2018) as words: what a document offers, what a hub is asked, how it asks back, what it signs.

use std::time::Duration;

use aws_lc_rs::hmac;
use model::{HubOffer, HubSecret, Subscription, Timestamp, same_site};
use url::{Url, form_urlencoded};

/// The hub that these `Link` fields offer (RFC 8288), for a document of this address.
pub(crate) fn offer_in_fields<'f>(fields: impl Iterator<Item = &'f str>, at: &Url) -> Option<HubOffer> {
    let links: Vec<(String, String)> = fields.flat_map(links_of).collect();
    offer(links.iter().map(|(relation, target)| (relation.as_str(), target.as_str())), at)
}

/// The hub that links offer, each with its relation, for a document of this address.
pub(crate) fn offer<'l>(links: impl Iterator<Item = (&'l str, &'l str)>, at: &Url) -> Option<HubOffer> {
    let (mut hub, mut named) = (None, None);
    for (relations, target) in links {
        for relation in relations.split_ascii_whitespace() {
            let wanted = match relation.to_ascii_lowercase().as_str() {
                "hub" => &mut hub,
                "self" => &mut named,
                _ => continue,
            };
            // The first one is meant.
            *wanted = wanted.take().or(Some(target));
        }
    }
    let is_asked = |url: &Url| matches!(url.scheme(), "http" | "https");
    let hub = hub.and_then(|hub| at.join(hub).ok()).filter(is_asked)?;
    let named = named.unwrap_or(at.as_str());
    let resolved = at.join(named).ok().filter(is_asked)?;
    // Hubs compare letters: an address that is whole is left as it is written.
    let topic_url = if Url::parse(named).is_ok() { named.to_owned() } else { resolved.to_string() };
    // A document that calls itself by another site's name would have us told what others publish.
    same_site(&resolved, at).then_some(HubOffer { hub, topic_url })
}

/// Relations and targets of a `Link` field.
fn links_of(field: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut rest = field;
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let (parameters, next) = parameters_of(after);
        let relation = parameters.into_iter().find(|(name, _)| name == "rel").map(|(_, value)| value);
        links.extend(relation.map(|relation| (relation, target.to_owned())));
        rest = next;
    }
    links
}

/// The parameters of a link, and what stands behind the comma that ends it.
fn parameters_of(text: &str) -> (Vec<(String, String)>, &str) {
    let mut parameters = Vec::new();
    let (mut from, mut quoted) = (0, false);
    let mut end = text.len();
    let mut keep = |piece: &str| {
        if let Some((name, value)) = piece.split_once('=') {
            let value = value.trim().trim_matches('"').to_owned();
            parameters.push((name.trim().to_ascii_lowercase(), value));
        }
    };
    for (place, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ';' if !quoted => {
                keep(text.get(from..place).unwrap_or(""));
                from = place + 1;
            }
            ',' if !quoted => {
                end = place;
                break;
            }
            _ => (),
        }
    }
    keep(text.get(from..end).unwrap_or(""));
    (parameters, text.get(end..).unwrap_or(""))
}

/// What a hub is asked with, to tell a callback what is new: a form.
pub fn request(offer: &HubOffer, callback: &Url, secret: &HubSecret, lease_seconds: u64) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.callback", callback.as_str())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.topic", &offer.topic_url)
        .append_pair("hub.lease_seconds", &lease_seconds.to_string())
        .append_pair("hub.secret", &secret.0)
        .finish()
}

/// How a hub asks back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether it was really we who asked; it says for how long it will tell.
    Subscribe {
        /// What for.
        topic_url: String,
        /// To be repeated.
        challenge: String,
        /// Seconds.
        lease: u64,
    },
    /// It says that it does not tell.
    Denied {
        /// What.
        topic_url: String,
        /// Why.
        reason: String,
    },
}

impl Question {
    /// The question in an address. `None`: none of those that a subscriber of ours is asked.
    pub fn read(query: &str) -> Option<Self> {
        let said = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
        };
        let topic_url = said("hub.topic")?;
        match said("hub.mode")?.as_str() {
            "subscribe" => {
                let lease = said("hub.lease_seconds")?.parse().ok()?;
                let challenge = said("hub.challenge").filter(|challenge| !challenge.is_empty())?;
                Some(Self::Subscribe { topic_url, challenge, lease })
            }
            "denied" => Some(Self::Denied { topic_url, reason: said("hub.reason").unwrap_or_default() }),
            // Nobody here asks a hub to stop: it stops by itself.
            _ => None,
        }
    }
}

/// The signature of a body, as a hub would write it.
pub fn sign(secret: &HubSecret, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes()), body);
    format!("sha256={}", digits_of(tag.as_ref()))
}

/// Whether a body was signed by who knows the secret: `X-Hub-Signature: sha256=…` (RFC 2104), compared in constant time.
pub fn is_signed(secret: &HubSecret, signature: &str, body: &[u8]) -> bool {
    let Some((method, digits)) = signature.trim().split_once('=') else { return false };
    let algorithm = match method.to_ascii_lowercase().as_str() {
        // The first hub knows no other (RFC 6194: as a keyed hash it stands).
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => hmac::HMAC_SHA256,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => return false,
    };
    let key = hmac::Key::new(algorithm, secret.0.as_bytes());
    bytes_of(digits).is_some_and(|told| hmac::verify(&key, body, &told).is_ok())
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// A name, or a secret, that nobody can guess: 256 random bits in hexadecimal digits. Fails where the machine has none.
pub fn unguessable() -> Result<String, String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the machine has no random numbers".to_owned())?;
    Ok(digits_of(&bytes))
}

fn digits_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Until when a hub tells that says so many seconds.
pub fn lease_end(seconds: u64, now: Timestamp) -> Timestamp {
    let length = Duration::from_secs(seconds).min(Subscription::LONGEST_LEASE);
    now.saturating_add(length).unwrap_or(Timestamp::MAX)
}

/// Whether this may be what a subscription is called: nobody needs to look for anything else.
pub fn is_a_name(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where a hub is asked: over TLS, since it is told a secret. Publishers write `http` of hubs that have long had both.
pub fn over_tls(hub: &Url) -> Url {
    let mut url = hub.clone();
    if url.scheme() == "http" && url.port().is_none() {
        // It is an address of the web: the scheme can be set.
        let _ = url.set_scheme("https");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offered(fields: &[&str]) -> Option<(String, String)> {
        let at = "https://a.kz/feed?x=1".parse().unwrap();
        let offer = offer_in_fields(fields.iter().copied(), &at)?;
        Some((offer.hub.to_string(), offer.topic_url))
    }

    #[test]
    fn link_fields_offer_hubs() {
        let expected = |hub: &str, topic: &str| Some((hub.to_owned(), topic.to_owned()));
        for (fields, told) in [
            (&[][..], None),
            (&["<https://hub.kz/>; rel=hub"], expected("https://hub.kz/", "https://a.kz/feed?x=1")),
            (
                &[r#"<https://hub.kz/>; rel="hub", <https://a.kz/feed>; rel="self""#],
                expected("https://hub.kz/", "https://a.kz/feed"),
            ),
            (&["<https://hub.kz/>;rel=hub", "</feed>; title=\"a, b; c\"; rel=\"Self x\""], {
                expected("https://hub.kz/", "https://a.kz/feed")
            }),
            (&["<https://one.kz/>; rel=hub, <https://two.kz/>; rel=hub"], {
                expected("https://one.kz/", "https://a.kz/feed?x=1")
            }),
            (&["<https://hub.kz/>; rel=hub, <https://b.kz/feed>; rel=self"], None),
            (&["<https://hub.kz/>; rel=hub, <https://А.kz/Feed/%7e>; rel=self"], None),
            (&["<https://hub.kz/>; rel=hub, <https://A.kz/%7efeed>; rel=self"], {
                expected("https://hub.kz/", "https://A.kz/%7efeed")
            }),
            (&["<ftp://hub.kz/>; rel=hub"], None),
            (&["<https://hub.kz/>; rel=next", "garbage", "<", "<>;", "<x>; rel"], None),
        ] {
            assert_eq!(offered(fields), told, "{fields:?}");
        }
    }

    #[test]
    fn a_hub_is_asked_with_a_form() {
        let offer = HubOffer {
            hub: "https://hub.kz/".parse().unwrap(),
            topic_url: "https://a.kz/feed?a=1&b=2".to_owned(),
        };
        let callback = "https://push.kz/websub/x".parse().unwrap();
        let form = request(&offer, &callback, &HubSecret("k".into()), 60);
        let expected = "hub.callback=https%3A%2F%2Fpush.kz%2Fwebsub%2Fx&hub.mode=subscribe\
            &hub.topic=https%3A%2F%2Fa.kz%2Ffeed%3Fa%3D1%26b%3D2&hub.lease_seconds=60&hub.secret=k";
        assert_eq!(form, expected);
    }

    #[test]
    fn hubs_ask_back() {
        let subscribe =
            |lease| Question::Subscribe { topic_url: "https://a.kz/".into(), challenge: "c d".into(), lease };
        for (query, expected) in [
            (
                "hub.mode=subscribe&hub.topic=https://a.kz/&hub.challenge=c+d&hub.lease_seconds=9",
                Some(subscribe(9)),
            ),
            ("hub.mode=subscribe&hub.topic=https://a.kz/&hub.challenge=c+d", None),
            ("hub.mode=subscribe&hub.topic=https://a.kz/&hub.challenge=&hub.lease_seconds=9", None),
            ("hub.mode=subscribe&hub.topic=https://a.kz/&hub.challenge=c&hub.lease_seconds=-1", None),
            ("hub.mode=unsubscribe&hub.topic=https://a.kz/&hub.challenge=c", None),
            (
                "hub.mode=denied&hub.topic=https://a.kz/&hub.reason=no",
                Some(Question::Denied { topic_url: "https://a.kz/".into(), reason: "no".into() }),
            ),
            ("", None),
        ] {
            assert_eq!(Question::read(query), expected, "{query}");
        }
    }

    /// By RFC 4231 (test case 2) and RFC 2202 (test case 2).
    #[test]
    fn signatures_are_checked() {
        let (secret, body) = (HubSecret("Jefe".to_owned()), b"what do ya want for nothing?");
        assert!(is_signed(&secret, &sign(&secret, body), body));
        for (signature, expected) in [
            ("sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", true),
            ("SHA256=5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843", true),
            ("sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", true),
            ("sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3844", false),
            ("sha256=5bdcc146bf60754e6a042426089575c7", false),
            ("sha256=", false),
            ("md5=750c783e6ab0b503eaa86e310a5db738", false),
            ("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", false),
            ("sha256=не цифры", false),
        ] {
            assert_eq!(is_signed(&secret, signature, body), expected, "{signature}");
        }
    }

    #[test]
    fn what_is_unguessable_differs() {
        let (one, other) = (unguessable().unwrap(), unguessable().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
    }

    proptest! {
        #[test]
        fn no_field_or_question_is_too_strange(text in any::<String>()) {
            let at: Url = "https://a.kz/".parse().unwrap();
            drop(offer_in_fields(std::iter::once(text.as_str()), &at));
            drop(Question::read(&text));
            prop_assert!(!is_signed(&HubSecret("k".into()), &text, b""));
        }
    }
}

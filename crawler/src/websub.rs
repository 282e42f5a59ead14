//! The messages of WebSub (W3C Recommendation 2018): hub discovery, subscription requests, verification of intent and
//! signatures. This module sends no requests.

use std::time::Duration;

use aws_lc_rs::hmac;
use model::{HubOffer, HubSecret, Subscription, Timestamp, same_site};
use url::{Url, form_urlencoded};

/// Returns the hub that the `Link` fields (RFC 8288) of a response offer. `document_url` is the URL of the
/// response.
pub(crate) fn offer_in_fields<'f>(
    fields: impl Iterator<Item = &'f str>,
    document_url: &Url,
) -> Option<HubOffer> {
    let links: Vec<(String, String)> = fields.flat_map(parse_link_field).collect();
    offer(links.iter().map(|(relation, target)| (relation.as_str(), target.as_str())), document_url)
}

/// Returns the hub that the links of a document offer. Each link is a pair of its relations and its target;
/// `document_url` is the URL of the document.
pub(crate) fn offer<'l>(
    links: impl Iterator<Item = (&'l str, &'l str)>,
    document_url: &Url,
) -> Option<HubOffer> {
    let (mut hub, mut self_link) = (None, None);
    for (relations, target) in links {
        for relation in relations.split_ascii_whitespace() {
            let link = match relation.to_ascii_lowercase().as_str() {
                "hub" => &mut hub,
                "self" => &mut self_link,
                _ => continue,
            };
            // The first link of each relation wins.
            *link = link.take().or(Some(target));
        }
    }
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
    let hub = hub.and_then(|hub| document_url.join(hub).ok()).filter(is_http)?;
    let self_link = self_link.unwrap_or(document_url.as_str());
    let resolved = document_url.join(self_link).ok().filter(is_http)?;
    // Hubs compare topic URLs byte by byte, so an absolute URL is not normalized.
    let topic_url = if Url::parse(self_link).is_ok() { self_link.to_owned() } else { resolved.to_string() };
    // A document must not subscribe us to another site's content by naming that site in its `self` link.
    same_site(&resolved, document_url).then_some(HubOffer { hub, topic_url })
}

/// Parses a `Link` field into pairs of relations and target.
fn parse_link_field(field: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut rest = field;
    while let Some((target, remainder)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let (parameters, next) = parse_link_parameters(remainder);
        let relation = parameters.into_iter().find(|(name, _)| name == "rel").map(|(_, value)| value);
        links.extend(relation.map(|relation| (relation, target.to_owned())));
        rest = next;
    }
    links
}

/// Parses the parameters of a link. Returns them and the rest of the text, from the comma that ends the link.
fn parse_link_parameters(text: &str) -> (Vec<(String, String)>, &str) {
    let mut parameters = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    let mut end = text.len();
    let mut add_parameter = |text: &str| {
        if let Some((name, value)) = text.split_once('=') {
            let value = value.trim().trim_matches('"').to_owned();
            parameters.push((name.trim().to_ascii_lowercase(), value));
        }
    };
    for (index, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => {
                add_parameter(text.get(start..index).unwrap_or(""));
                start = index + 1;
            }
            ',' if !is_quoted => {
                end = index;
                break;
            }
            _ => (),
        }
    }
    add_parameter(text.get(start..end).unwrap_or(""));
    (parameters, text.get(end..).unwrap_or(""))
}

/// Returns the form of a subscription request: the hub is to send updates to `callback`.
pub fn request(offer: &HubOffer, callback: &Url, secret: &HubSecret, lease_seconds: u64) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.callback", callback.as_str())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.topic", &offer.topic_url)
        .append_pair("hub.lease_seconds", &lease_seconds.to_string())
        .append_pair("hub.secret", &secret.0)
        .finish()
}

/// A request of a hub to the callback of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubRequest {
    /// The verification of a subscription request.
    Subscribe {
        /// The topic URL of the subscription.
        topic_url: String,
        /// The challenge that the response must repeat.
        challenge: String,
        /// The duration of the subscription, in seconds.
        lease: u64,
    },
    /// The denial of a subscription.
    Denied {
        /// The topic URL of the subscription.
        topic_url: String,
        /// The reason that the hub gives; empty if it gives none.
        reason: String,
    },
}

impl HubRequest {
    /// Parses the query of the callback URL. Returns `None` for an incomplete request and for other modes.
    pub fn parse(query: &str) -> Option<Self> {
        let parameter = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let topic_url = parameter("hub.topic")?;
        match parameter("hub.mode")?.as_str() {
            "subscribe" => {
                let lease = parameter("hub.lease_seconds")?.parse().ok()?;
                let challenge = parameter("hub.challenge").filter(|challenge| !challenge.is_empty())?;
                Some(Self::Subscribe { topic_url, challenge, lease })
            }
            "denied" => Some(Self::Denied { topic_url, reason: parameter("hub.reason").unwrap_or_default() }),
            // We never unsubscribe: a subscription ends with its lease. So `unsubscribe` is never verified.
            _ => None,
        }
    }
}

/// Returns the signature that a hub sends with a body.
pub fn sign(secret: &HubSecret, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes()), body);
    format!("sha256={}", to_hex(tag.as_ref()))
}

/// Returns true if `signature` is a valid signature of `body` with the secret: `X-Hub-Signature: sha256=…` (RFC
/// 2104). The comparison runs in constant time.
pub fn verify_signature(secret: &HubSecret, signature: &str, body: &[u8]) -> bool {
    let Some((method, digits)) = signature.trim().split_once('=') else { return false };
    let algorithm = match method.to_ascii_lowercase().as_str() {
        // The oldest hub supports only SHA-1, which is still secure in HMAC (RFC 6194).
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => hmac::HMAC_SHA256,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => return false,
    };
    let key = hmac::Key::new(algorithm, secret.0.as_bytes());
    from_hex(digits).is_some_and(|tag| hmac::verify(&key, body, &tag).is_ok())
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// Returns a random subscription identifier or secret: 256 bits as hexadecimal digits. Fails if the operating system
/// provides no random numbers.
pub fn random_identifier() -> Result<String, String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| "the operating system provides no random numbers".to_owned())?;
    Ok(to_hex(&bytes))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the end of a lease of `seconds`, limited to [`Subscription::MAX_LEASE`] from `now`.
pub fn lease_end(seconds: u64, now: Timestamp) -> Timestamp {
    let duration = Duration::from_secs(seconds).min(Subscription::MAX_LEASE);
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// Returns true if `id` has the format of a subscription identifier. Other identifiers need no lookup in the store.
pub fn is_subscription_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the hub's URL with the scheme `https`, since the request contains a secret. Many publishers still write
/// `http` for hubs that support both. A URL with an explicit port is unchanged.
pub fn with_https(hub: &Url) -> Url {
    let mut url = hub.clone();
    if url.scheme() == "http" && url.port().is_none() {
        // Changing `http` to `https` never fails.
        let _ = url.set_scheme("https");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse_offer(fields: &[&str]) -> Option<(String, String)> {
        let at = "https://a.kz/feed?x=1".parse().unwrap();
        let offer = offer_in_fields(fields.iter().copied(), &at)?;
        Some((offer.hub.to_string(), offer.topic_url))
    }

    #[test]
    fn link_fields_offer_hubs() {
        let expected = |hub: &str, topic: &str| Some((hub.to_owned(), topic.to_owned()));
        for (fields, expected_offer) in [
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
            assert_eq!(parse_offer(fields), expected_offer, "{fields:?}");
        }
    }

    #[test]
    fn a_subscription_request_is_a_form() {
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
    fn requests_of_hubs_are_parsed() {
        let subscribe = |lease| HubRequest::Subscribe {
            topic_url: "https://a.kz/".into(),
            challenge: "c d".into(),
            lease,
        };
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
                Some(HubRequest::Denied { topic_url: "https://a.kz/".into(), reason: "no".into() }),
            ),
            ("", None),
        ] {
            assert_eq!(HubRequest::parse(query), expected, "{query}");
        }
    }

    /// The test vectors are RFC 4231 (test case 2) and RFC 2202 (test case 2).
    #[test]
    fn signatures_are_checked() {
        let (secret, body) = (HubSecret("Jefe".to_owned()), b"what do ya want for nothing?");
        assert!(verify_signature(&secret, &sign(&secret, body), body));
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
            assert_eq!(verify_signature(&secret, signature, body), expected, "{signature}");
        }
    }

    #[test]
    fn random_identifiers_are_unique() {
        let (one, other) = (random_identifier().unwrap(), random_identifier().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let at: Url = "https://a.kz/".parse().unwrap();
            drop(offer_in_fields(std::iter::once(text.as_str()), &at));
            drop(HubRequest::parse(&text));
            prop_assert!(!verify_signature(&HubSecret("k".into()), &text, b""));
        }
    }
}

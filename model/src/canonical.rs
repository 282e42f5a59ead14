//! URL canonicalisation: the same publication under two spellings of its address is one item.

use url::Url;

/// Query parameters that tell where the reader came from, never what is read. Names end in `*`
/// where a whole family is meant. Collected from the public parameter lists of ad and mail systems.
const TRACKING: &[&str] = &[
    "utm_*",
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "yclid",
    "ysclid",
    "ymclid",
    "msclkid",
    "mc_cid",
    "mc_eid",
    "igshid",
    "igsh",
    "twclid",
    "ttclid",
    "wbraid",
    "gbraid",
    "_openstat",
    "openstat",
    "from_rss",
    "_ga",
    "_gl",
    "pk_campaign",
    "pk_kwd",
    "pk_source",
    "pk_medium",
    "mtm_*",
    "hsa_*",
    "_hsenc",
    "_hsmi",
    "vero_id",
    "rb_clickid",
    "s_cid",
    "wt_mc",
    "wt_zmc",
    "at_medium",
    "at_campaign",
    "ns_campaign",
    "ns_mchannel",
    "ns_source",
    "cmpid",
    "__twitter_impression",
    "ref_src",
    "spm",
    "oly_anon_id",
    "oly_enc_id",
    "ml_subscriber",
    "ml_subscriber_hash",
];

/// The form of an address that identifies what it shows: lower-case scheme and host, no default
/// port, no fragment (but `#!` routes stay), no tracking parameters, no final dot of the host, no
/// user name, no empty query. The order of the other parameters is kept: it may matter to a server.
pub fn canonical_url(url: &Url) -> Url {
    let mut clean = url.clone();
    if !clean.fragment().is_some_and(|fragment| fragment.starts_with('!')) {
        clean.set_fragment(None);
    }
    // Setting these fails only on addresses that cannot have them, which is what is wanted.
    let _ = clean.set_username("");
    let _ = clean.set_password(None);
    if let Some(host) = clean.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        let _ = clean.set_host(Some(&host));
    }
    let kept: Vec<&str> =
        url.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty() && !is_tracking(pair)).collect();
    if kept.is_empty() {
        clean.set_query(None);
    } else if kept.len() != url.query().unwrap_or("").split('&').count() {
        clean.set_query(Some(&kept.join("&")));
    }
    clean
}

/// Whether two addresses are of the same site: equal hosts but for a leading `www.`, `m.` or `amp.`.
pub fn same_site(one: &Url, other: &Url) -> bool {
    match (one.host_str(), other.host_str()) {
        (Some(one), Some(other)) => bare(one) == bare(other),
        _ => false,
    }
}

fn bare(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    ["www.", "m.", "amp."].iter().find_map(|prefix| host.strip_prefix(prefix)).unwrap_or(host)
}

fn is_tracking(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or(pair).to_ascii_lowercase();
    TRACKING.iter().any(|known| match known.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == *known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(url: &str) -> String {
        canonical_url(&Url::parse(url).unwrap()).to_string()
    }

    #[test]
    fn spellings_of_one_address() {
        for (given, expected) in [
            ("HTTP://News.KZ:80/a?utm_source=x&id=5#top", "http://news.kz/a?id=5"),
            ("https://news.kz/a?UTM_Medium=x&fbclid=1", "https://news.kz/a"),
            ("https://news.kz./a?", "https://news.kz/a"),
            ("https://user:pw@news.kz/a", "https://news.kz/a"),
            ("https://news.kz/#!/route", "https://news.kz/#!/route"),
            ("https://news.kz/a?b=2&a=1", "https://news.kz/a?b=2&a=1"),
            ("https://news.kz/a?reference=1", "https://news.kz/a?reference=1"),
        ] {
            assert_eq!(canonical(given), expected);
        }
    }

    proptest! {
        #[test]
        fn canonical_form_is_a_fixed_point(path in "[a-zа-я0-9/%._-]{0,20}", query in "[a-z_=&0-9]{0,30}") {
            let url = Url::parse(&format!("https://a.kz/{path}?{query}&utm_x=1")).unwrap();
            let once = canonical_url(&url);
            prop_assert_eq!(canonical_url(&once), once);
        }
    }
}

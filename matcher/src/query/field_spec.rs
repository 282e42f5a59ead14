//! The declarations of the fields of items.

use super::tree::Scope;

/// The type of a field's values, which determines the conditions it accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FieldType {
    /// Words in a part of the item.
    Words(Scope),
    /// Exact characters anywhere in the item: `raw:` of Brandwatch.
    Raw,
    /// A host. Matches its subdomains as well.
    Host,
    /// The last label of a host.
    TopLevelDomain,
    /// A name of several words. Matches if it contains the words of the value side by side.
    Name,
    /// A web address. Matches if it contains the value.
    Address,
    /// A name with a `#` or `@`.
    Tag,
    /// An identifier or code, compared without case.
    Code,
    /// One of a fixed set of values.
    OneOf(&'static [&'static str]),
    Number,
    Timestamp,
    /// The time since publication.
    Age,
    /// A field that items do not have, and the reason.
    Unsupported(&'static str),
}

/// The declaration of a field.
#[derive(Debug, PartialEq)]
pub(super) struct FieldSpec {
    pub(super) name: &'static str,
    /// The names in other systems.
    aliases: &'static [&'static str],
    pub(super) field_type: FieldType,
}

const fn spec(name: &'static str, aliases: &'static [&'static str], field_type: FieldType) -> FieldSpec {
    FieldSpec { name, aliases, field_type }
}

const SOURCE_TYPES: &[&str] = &["news", "social", "messenger", "video", "blog", "forum", "review"];
const POST_TYPES: &[&str] = &["post", "comment", "repost", "story", "article", "review", "video"];
const NEEDS_IMAGE_RECOGNITION: &str = "it needs a model for image recognition";

/// The field that tells originals from reprints.
pub(crate) const ORIGINALITY: &str = "dup";

/// All fields, with Brandwatch's names as aliases.
pub(super) static SPECS: &[FieldSpec] = &[
    spec("title", &[], FieldType::Words(Scope::Title)),
    spec("text", &["body"], FieldType::Words(Scope::Text)),
    spec("lead", &["ingress"], FieldType::Words(Scope::Lead)),
    spec("ocr", &[], FieldType::Words(Scope::Pictures)),
    spec("transcript", &[], FieldType::Words(Scope::Speech)),
    spec("raw", &[], FieldType::Raw),
    spec("url", &[], FieldType::Address),
    spec("links", &[], FieldType::Address),
    spec("hashtags", &["tags"], FieldType::Tag),
    spec("mentions", &["engagingWith"], FieldType::Tag),
    spec("author", &["blogName", "weblogTitle"], FieldType::Name),
    spec("channel", &["subreddit"], FieldType::Name),
    spec("publication", &[], FieldType::Name),
    spec("item", &["itemReview"], FieldType::Name),
    spec("site", &[], FieldType::Host),
    spec("tld", &["topLevelDomain"], FieldType::TopLevelDomain),
    spec("source", &[], FieldType::Code),
    spec("sourceType", &["pubType"], FieldType::OneOf(SOURCE_TYPES)),
    spec("type", &["engagementType"], FieldType::OneOf(POST_TYPES)),
    spec("contentType", &[], FieldType::Code),
    spec("lang", &["language"], FieldType::Code),
    spec("country", &[], FieldType::Code),
    spec("region", &[], FieldType::Name),
    spec("city", &[], FieldType::Name),
    spec("sentiment", &[], FieldType::OneOf(&["positive", "negative", "neutral"])),
    spec("authorGender", &[], FieldType::Code),
    spec("has", &["imageType"], FieldType::OneOf(&["image", "video", "link", "geo"])),
    spec("is", &[], FieldType::OneOf(&["verified", "reply", "repost", "edited"])),
    spec(ORIGINALITY, &[], FieldType::OneOf(&["original", "reprint"])),
    spec("authorId", &[], FieldType::Code),
    spec("channelId", &[], FieldType::Code),
    spec("id", &["guid"], FieldType::Code),
    spec("parent", &["parentPostId"], FieldType::Code),
    spec("thread", &["rootPostId"], FieldType::Code),
    spec("tag", &[], FieldType::Code),
    spec("topic", &[], FieldType::Code),
    spec("list", &[], FieldType::Code),
    spec("likes", &[], FieldType::Number),
    spec("comments", &[], FieldType::Number),
    spec("shares", &[], FieldType::Number),
    spec("views", &[], FieldType::Number),
    spec("engagement", &[], FieldType::Number),
    spec("reach", &[], FieldType::Number),
    spec("followers", &["authorFollowers"], FieldType::Number),
    spec("rating", &[], FieldType::Number),
    spec("hour", &[], FieldType::Number),
    spec("minuteOfDay", &[], FieldType::Number),
    spec("latitude", &[], FieldType::Number),
    spec("longitude", &[], FieldType::Number),
    spec("words", &[], FieldType::Number),
    spec("published", &[], FieldType::Timestamp),
    spec("age", &[], FieldType::Age),
    spec("brandIds", &[], FieldType::Unsupported(NEEDS_IMAGE_RECOGNITION)),
    spec("objects", &[], FieldType::Unsupported(NEEDS_IMAGE_RECOGNITION)),
];

/// Fields whose values few items share. A query may consist of one of these alone.
pub(super) const SELECTIVE_FIELDS: &[&str] = &[
    "site",
    "author",
    "channel",
    "url",
    "links",
    "id",
    "thread",
    "list",
    "topic",
    "authorId",
    "channelId",
    "parent",
    "hashtags",
    "mentions",
];

/// Returns the field with this name or alias, ignoring case. Fails with the most similar name, if one is close enough.
pub(super) fn find_spec(name: &str) -> Result<&'static FieldSpec, Option<&'static str>> {
    let names = |spec: &'static FieldSpec| std::iter::once(&spec.name).chain(spec.aliases).copied();
    let spec = SPECS.iter().find(|spec| names(spec).any(|one| one.eq_ignore_ascii_case(name)));
    spec.ok_or_else(|| {
        let distance = |one: &str| strsim::damerau_levenshtein(&one.to_lowercase(), &name.to_lowercase());
        let nearest = SPECS.iter().flat_map(names).min_by_key(|one| distance(one));
        nearest.filter(|nearest| distance(nearest) <= nearest.len().div_ceil(3))
    })
}

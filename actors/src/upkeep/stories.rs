//! Links of near-duplicates: each stored item is compared with the items of the last days, and a reprint joins the
//! story of the most similar one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use matcher::sketch;
use model::{Originality, Similarity, Sketch, Timestamp};
use store::{Candidate, ItemMatches, StoreError, StoredItem, StoryLink};

use crate::context::Context;
use service::{BackendError, Snapshot};

/// The time within which similar items count as one story. A later item with the same text starts another story.
const STORY_WINDOW: Duration = Duration::from_secs(3 * 86_400);
/// Upper bound on the items linked in one step.
const MAX_ITEMS_PER_STEP: usize = 200;
/// The time for which a node has the duty of linking. Two nodes that link concurrently would miss links between their
/// items.
const LINK_DUTY: Duration = Duration::from_secs(60);

/// Links all unlinked items. A single pass calls this last, because no node may run afterwards.
pub async fn link_all(context: &Context) -> Result<(), BackendError> {
    while link_some(context).await? {}
    Ok(())
}

/// Links the items of one step. Returns false if no item is unlinked, or if another node has the duty.
pub(crate) async fn link_some(context: &Context) -> Result<bool, BackendError> {
    let items = context.store.unlinked_items(MAX_ITEMS_PER_STEP).await?;
    if items.is_empty() || !context.take_duty("stories", LINK_DUTY).await? {
        return Ok(false);
    }
    match link(context, items).await {
        // Topics that depend on originality may have changed. The next step uses the current objects.
        Err(StoreError::StaleObjects) => context.reload().await?,
        result => result?,
    }
    Ok(true)
}

/// Links unlinked items to their stories, and matches them against the deferred topics.
async fn link(context: &Context, items: Vec<StoredItem>) -> Result<(), StoreError> {
    let Context { store, pool, .. } = context;
    let (snapshot, now) = (context.snapshot(), context.clock.now());
    let since = now.checked_sub(STORY_WINDOW).unwrap_or(Timestamp::MIN);
    let compute_sketches = move || {
        // An edit does not change the story of a linked item, and an item older than the window is no reprint. Both
        // get an empty sketch, which is similar to nothing.
        let sketch_of = |stored: &StoredItem| match stored.originality {
            None if stored.first_seen > since => sketch(&stored.item),
            None | Some(_) => Sketch::default(),
        };
        items.into_iter().map(|stored| (sketch_of(&stored), stored)).collect::<Vec<_>>()
    };
    let items = pool.run(compute_sketches).await;
    let keys: Vec<i64> = items.iter().flat_map(|(sketch, _)| sketch.keys.iter().copied()).collect();
    let candidates = if keys.is_empty() { Vec::new() } else { store.candidates(&keys, since).await? };
    let mut index = CandidateIndex::new(candidates);
    let (mut links, mut linked_items) = (Vec::new(), Vec::new());
    for (sketch, mut stored) in items {
        let nearest = index.nearest(&sketch, &stored);
        let (story, similarity) =
            nearest.map_or((stored.row, None), |(story, similarity)| (story, Some(similarity)));
        let source = stored.item.source.clone();
        stored.originality.get_or_insert(Originality::of(similarity));
        index.add(Candidate { row: stored.row, story, source: source.clone(), sketch: sketch.clone() });
        let (row, version, at) = (stored.row, stored.version, stored.first_seen);
        links.push(StoryLink { row, version, source, at, story, similarity, sketch });
        linked_items.push(stored);
    }
    // The items are matched before they count as linked, so that an interruption repeats both.
    match_deferred(context, &snapshot, linked_items, now).await?;
    store.link(&links, since, snapshot.version()).await
}

/// Matches items whose originality was just determined against the deferred topics.
async fn match_deferred(
    context: &Context,
    snapshot: &Arc<Snapshot>,
    items: Vec<StoredItem>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if snapshot.deferred().is_empty() {
        return Ok(());
    }
    let objects = snapshot.clone();
    let match_items = move || {
        let match_item = |stored: &StoredItem| {
            let source = objects.declared(&stored.item.source)?;
            let matches = objects.topics().matches(&stored.item, &source, stored.sight()).1;
            let deferred_topics = [].into();
            Some(ItemMatches { row: stored.row, version: stored.version, matches, deferred_topics })
        };
        items.iter().filter_map(match_item).collect::<Vec<_>>()
    };
    let item_matches = context.pool.run(match_items).await;
    context.store.rematch(&snapshot.deferred(), &item_matches, now).await?;
    Ok(())
}

/// Candidates for near-duplicates, indexed by the keys of their sketches.
#[derive(Default)]
struct CandidateIndex {
    candidates: Vec<Candidate>,
    by_key: HashMap<i64, Vec<usize>>,
}

impl CandidateIndex {
    fn new(candidates: Vec<Candidate>) -> Self {
        let mut index = Self::default();
        candidates.into_iter().for_each(|candidate| index.add(candidate));
        index
    }

    fn add(&mut self, candidate: Candidate) {
        for key in &candidate.sketch.keys {
            self.by_key.entry(*key).or_default().push(self.candidates.len());
        }
        self.candidates.push(candidate);
    }

    /// Returns the story of the most similar candidate, and the similarity. Of equally similar ones, the first stored
    /// wins.
    fn nearest(&self, sketch: &Sketch, stored: &StoredItem) -> Option<(i64, Similarity)> {
        let positions = sketch.keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let similarity = |position: &usize| {
            let candidate = self.candidates.get(*position).filter(|candidate| candidate.row != stored.row)?;
            let similarity = sketch.similarity(&candidate.sketch, candidate.source == stored.item.source)?;
            Some((candidate, similarity))
        };
        let nearest =
            positions.filter_map(similarity).max_by(|(one, similarity), (other, other_similarity)| {
                similarity.share.total_cmp(&other_similarity.share).then(other.row.cmp(&one.row))
            });
        nearest.map(|(candidate, similarity)| (candidate.story, similarity))
    }
}

#[cfg(test)]
mod tests {
    use model::{Tag, Topic};
    use store::{MaterialQuery, Objects, StoredMatch};

    use crate::tests::stage::{Page, Stage, name, source, until};

    /// Returns a feed with these publications: identifier, title and text.
    fn feed(publications: &[(&str, &str, &str)]) -> Page {
        let item = |(id, title, text): &(&str, &str, &str)| {
            format!(
                "<item><guid isPermaLink='false'>{id}</guid><title>{title}</title>\
                 <content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>{text}</content:encoded></item>"
            )
        };
        let items: String = publications.iter().map(item).collect();
        Page::Body(format!("<rss version='2.0'><channel><title>Лента</title>{items}</channel></rss>"))
    }

    fn words(word: &str, count: usize) -> String {
        (0..count).map(|n| format!("{word}{n} ")).collect()
    }

    /// A topic that depends on originality matches an item once, after it is linked. An edit of the item is matched
    /// again.
    #[tokio::test(start_paused = true)]
    async fn topics_on_originality_match_after_items_are_linked() {
        let stage = Stage::with(&[]).await;
        let (text, framed) = (words("слово", 120), format!("Как пишет агентство, {}", words("слово", 110)));
        stage.web.put("http://a.kz/feed", feed(&[("1", "Агентство", &text)]));
        let queries =
            [("first", "слово7 dup:original"), ("again", "слово7 NOT dup:original"), ("all", "слово7")];
        let mut topics: Vec<Topic> = queries
            .iter()
            .map(|(topic_name, query)| Topic::new(name(topic_name), (*query).to_owned()))
            .collect();
        topics[2].tags = vec![Tag { name: name("copied"), query: "dup:reprint".to_owned() }];
        let declare = async |topics: &[Topic], sources: &[&str]| {
            let objects = Objects {
                topics: topics.to_vec(),
                sources: sources.iter().map(|host| source(host)).collect(),
                ..Objects::default()
            };
            stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
        };
        declare(&topics, &["a.kz"]).await;
        let _node = stage.start().await;
        let matches = async || {
            let all = MaterialQuery { limit: 20, ..MaterialQuery::default() };
            let describe = |one: StoredMatch| {
                let host = one.item.item.source.to_string();
                (one.seq, format!("{} {host}{}", one.found.topic, "+".repeat(one.found.tags.len())))
            };
            stage.store.materials(&all).await.unwrap().into_iter().map(describe).collect::<Vec<_>>()
        };
        let names = |matches: &[(i64, String)]| {
            let mut names: Vec<String> = matches.iter().map(|(_, name)| name.clone()).collect();
            names.sort();
            names
        };
        until("the original is linked", async || matches().await.len() == 2).await;
        stage.web.put("http://b.kz/feed", feed(&[("1", "Перепечатка", &framed)]));
        declare(&topics, &["a.kz", "b.kz"]).await;
        let expected = ["again b.kz", "all a.kz", "all b.kz+", "first a.kz"];
        until("the reprint is linked", async || names(&matches().await) == expected).await;
        let previous = matches().await;

        // An edit that still matches keeps the place of every match. An edit that no longer matches removes them.
        stage.web.put("http://a.kz/feed", feed(&[("1", "Агентство", &format!("{text} дополнено"))]));
        stage.web.put("http://b.kz/feed", feed(&[("1", "Перепечатка", &words("другое", 110))]));
        until("the edits are matched again", async || names(&matches().await) == ["all a.kz", "first a.kz"])
            .await;
        until("all items are linked", async || stage.store.unlinked_items(1).await.unwrap().is_empty()).await;
        let remaining: Vec<_> = previous.into_iter().filter(|(_, name)| name.ends_with("a.kz")).collect();
        assert_eq!(matches().await, remaining);

        // A new topic matches items that are already linked.
        topics.push(Topic::new(name("new"), "слово9 dup:original".to_owned()));
        declare(&topics, &["a.kz", "b.kz"]).await;
        until("the new topic is matched", async || {
            names(&matches().await) == ["all a.kz", "first a.kz", "new a.kz"]
        })
        .await;
    }

    /// A shortened and framed reprint on another source joins the story of the original. An unrelated text with the
    /// same title, and texts that one source publishes in the same form, are separate stories.
    #[tokio::test(start_paused = true)]
    async fn reprints_join_the_story_of_the_original() {
        let stage = Stage::with(&[]).await;
        let text = words("слово", 120);
        let framed = format!("Как пишет агентство, {} Читайте нас.", words("слово", 100));
        let rates = |number: usize| format!("{} {number}", words("курс", 60));
        stage.web.put(
            "http://a.kz/feed",
            feed(&[("1", "Агентство", &text), ("2", "Курсы", &rates(1)), ("3", "Курсы", &rates(2))]),
        );
        stage.web.put("http://b.kz/feed", feed(&[("1", "Перепечатка", &framed)]));
        stage.web.put("http://c.kz/feed", feed(&[("1", "Агентство", &words("иное", 120))]));
        let sources = ["a.kz", "b.kz", "c.kz"].map(source).into();
        stage
            .store
            .declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now())
            .await
            .unwrap();
        let _node = stage.start().await;
        until("all items are stored", async || stage.items().await == 5).await;
        until("all items are linked", async || stage.store.unlinked_items(1).await.unwrap().is_empty()).await;
        let mut stories = Vec::new();
        for stored in stage.store.items(0, 10).await.unwrap() {
            let story = stage.store.story(stored.row, 10).await.unwrap();
            stories.push(story.len());
        }
        stories.sort_unstable();
        assert_eq!(stories, [1, 1, 1, 2, 2]);
    }
}

//! Which definitions of a pinned server's tools are in force: those that were there when it was
//! pinned, and those that somebody approved since. Pure.
//!
//! The list in force is what a policy is made of. Whatever else the server lists waits beside it
//! for somebody to review it, so a server cannot change what a tool takes, nor bring in a new one,
//! by itself.

use std::collections::{BTreeMap, BTreeSet};

use store::{Catalogue, DefinitionReview, ListHash, RawTool, ReviewState};
use time::OffsetDateTime;

mod known_definitions;

use known_definitions::{Definition, KnownDefinitions};

/// The decision of somebody about a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewVerdict {
    /// The definition comes into force.
    Approve,
    /// The definition stays out of force.
    Reject,
}

impl ReviewVerdict {
    /// The word for what has become of the definition, in answers, events and the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }
}

/// The list in force after a pinned server has listed something: what it lists as it was approved,
/// with the rest beside it, unreviewed. Of several approved ones of a name those are in force that
/// it lists now, and all where it lists none of them. The work grows with the number of tools: each
/// definition is compared with those of its name, of which few are looked at.
pub(super) fn hold_back(mut listed: Catalogue, in_force: &Catalogue) -> Catalogue {
    let now = listed.seen_at;
    let known = KnownDefinitions::of(in_force);
    let listed_tools = std::mem::take(&mut listed.tools);
    // The names in the order of the list, with the places of the approved definitions that it has.
    let mut names: Vec<&str> = Vec::new();
    let mut approved: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    let mut reviews: BTreeMap<(String, ReviewState), DefinitionReview> = BTreeMap::new();
    for tool in &listed_tools {
        let definition = Definition::of(tool);
        let known = known.of_name(&tool.name);
        let approved = approved.entry(&tool.name).or_insert_with(|| {
            names.push(&tool.name);
            BTreeSet::new()
        });
        let definitions = known.approved.iter().enumerate();
        let same = definitions.filter(|(_, (known, _))| known.is_same(&definition));
        let mut same = same.map(|(place, _)| place).peekable();
        if same.peek().is_some() {
            // What is listed twice was approved twice.
            let place = same.find(|place| !approved.contains(place));
            approved.extend(place);
            continue;
        }
        let mut reviewed = known.reviewed.iter();
        let review = reviewed.find(|(known, _)| known.is_same(&definition));
        let review = match review {
            Some((_, review)) => (*review).clone(),
            None => of_nobody(tool, ReviewState::Unreviewed, now),
        };
        reviews
            .entry((tool.name.clone(), review.state))
            .or_insert(review);
    }
    let mut tools: Vec<RawTool> = Vec::new();
    for name in names {
        let (listed, known) = (&approved[name], known.of_name(name));
        let in_force = known.approved.iter().enumerate();
        let in_force = in_force.filter(|(place, _)| listed.is_empty() || listed.contains(place));
        // The bytes that were approved, also where the server writes the same in other ones.
        tools.extend(in_force.map(|(_, (known, _))| known.tool.clone()));
    }
    for (name, known) in known.by_name() {
        if known.approved.is_empty() {
            continue;
        }
        // Who rejected something need not do so again when the server lists it once more.
        for (_, review) in &known.reviewed {
            if review.state == ReviewState::Rejected {
                let key = (name.to_owned(), review.state);
                reviews.entry(key).or_insert_with(|| (*review).clone());
            }
        }
        if !approved.contains_key(name)
            && let Some((gone, review)) = known.approved.first()
        {
            let review = review.cloned();
            let review = review.unwrap_or_else(|| of_nobody(gone.tool, ReviewState::Approved, now));
            reviews.insert((name.to_owned(), ReviewState::Approved), review);
        }
    }
    listed
        .since
        .retain(|name, _| !known.of_name(name).approved.is_empty());
    listed.hash = ListHash::of(&tools);
    listed.tools = tools;
    listed.reviews = reviews.into_values().collect();
    listed
}

/// A definition about which nobody has said anything.
fn of_nobody(tool: &RawTool, state: ReviewState, at: OffsetDateTime) -> DefinitionReview {
    DefinitionReview {
        tool: tool.clone(),
        state,
        author: String::new(),
        reason: String::new(),
        at,
    }
}

/// The list after somebody has decided about the definition of a tool that is not in force. None
/// where there is none to decide about.
pub(crate) fn decide(
    in_force: &Catalogue,
    tool: &str,
    verdict: ReviewVerdict,
    author: &str,
    reason: &str,
    now: OffsetDateTime,
) -> Option<Catalogue> {
    let at = waiting_at(in_force, tool, verdict)?;
    let mut list = in_force.clone();
    let review = list.reviews.remove(at);
    match verdict {
        ReviewVerdict::Approve => {
            let place = list.tools.iter().position(|there| there.name == tool);
            if place.is_none() {
                list.since.insert(tool.to_owned(), now);
            }
            // It takes the place of all that had the name.
            let place = place.unwrap_or(list.tools.len());
            list.tools.retain(|there| there.name != tool);
            list.tools.insert(place, review.tool);
            list.hash = ListHash::of(&list.tools);
        }
        ReviewVerdict::Reject => {
            let is_older = |other: &DefinitionReview| {
                other.tool.name == tool && other.state == ReviewState::Rejected
            };
            list.reviews.retain(|other| !is_older(other));
            list.reviews.push(DefinitionReview {
                state: ReviewState::Rejected,
                author: author.to_owned(),
                reason: reason.to_owned(),
                at: now,
                ..review
            });
        }
    }
    list.reviews
        .sort_by(|a, b| (&a.tool.name, a.state.as_str()).cmp(&(&b.tool.name, b.state.as_str())));
    Some(list)
}

/// The definition that a verdict is about: the one that waits, or else the one that was rejected
/// and is to be approved all the same.
pub(crate) fn reviewable<'a>(
    in_force: &'a Catalogue,
    tool: &str,
    verdict: ReviewVerdict,
) -> Option<&'a DefinitionReview> {
    in_force.reviews.get(waiting_at(in_force, tool, verdict)?)
}

fn waiting_at(in_force: &Catalogue, tool: &str, verdict: ReviewVerdict) -> Option<usize> {
    let of_state = |state| {
        let mut reviews = in_force.reviews.iter();
        reviews.position(|one| one.tool.name == tool && one.state == state)
    };
    of_state(ReviewState::Unreviewed).or_else(|| match verdict {
        ReviewVerdict::Approve => of_state(ReviewState::Rejected),
        ReviewVerdict::Reject => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn tool(name: &str, version: u32) -> RawTool {
        RawTool {
            name: name.to_owned(),
            json: format!(r#"{{"name":"{name}","version":{version}}}"#),
        }
    }

    fn list(tools: &[(&str, u32)]) -> Catalogue {
        let tools = tools.iter().map(|(name, version)| tool(name, *version));
        let at = OffsetDateTime::UNIX_EPOCH;
        Catalogue::new("s".to_owned(), "2026-07-28".to_owned(), at, tools.collect())
    }

    /// The tools in force, and the reviews with their states.
    fn told(list: &Catalogue) -> (Vec<String>, Vec<String>) {
        let version = |tool: &RawTool| {
            let value: Value = serde_json::from_str(&tool.json).unwrap();
            format!("{} {}", tool.name, value["version"])
        };
        let reviews = list.reviews.iter();
        (
            list.tools.iter().map(version).collect(),
            reviews
                .map(|one| format!("{} {}", version(&one.tool), one.state.as_str()))
                .collect(),
        )
    }

    fn is(list: &Catalogue, tools: &[&str], reviews: &[&str]) {
        let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(list), (texts(tools), texts(reviews)));
        assert_eq!(list.hash, ListHash::of(&list.tools));
    }

    fn decided(list: &Catalogue, tool: &str, verdict: ReviewVerdict) -> Catalogue {
        decide(
            list,
            tool,
            verdict,
            "ada",
            "why",
            OffsetDateTime::UNIX_EPOCH,
        )
        .unwrap()
    }

    #[test]
    fn it_keeps_the_old_definition_in_force_until_the_new_one_is_approved() {
        let first = list(&[("a", 1), ("b", 1)]);
        let changed = hold_back(list(&[("b", 1), ("a", 2), ("c", 1)]), &first);
        is(
            &changed,
            &["b 1", "a 1"],
            &["a 2 unreviewed", "c 1 unreviewed"],
        );
        let approved = decided(&changed, "a", ReviewVerdict::Approve);
        is(&approved, &["b 1", "a 2"], &["c 1 unreviewed"]);
        let approved = decided(&approved, "c", ReviewVerdict::Approve);
        is(&approved, &["b 1", "a 2", "c 1"], &[]);
        // What was in force before is a change again.
        let back = hold_back(list(&[("a", 1), ("b", 1), ("c", 1)]), &approved);
        is(&back, &["a 2", "b 1", "c 1"], &["a 1 unreviewed"]);
    }

    #[test]
    fn it_does_not_ask_again_about_what_was_rejected() {
        let first = list(&[("a", 1)]);
        let changed = hold_back(list(&[("a", 2)]), &first);
        let rejected = decided(&changed, "a", ReviewVerdict::Reject);
        is(&rejected, &["a 1"], &["a 2 rejected"]);
        is(
            &hold_back(list(&[("a", 2)]), &rejected),
            &["a 1"],
            &["a 2 rejected"],
        );
        let back = hold_back(list(&[("a", 1)]), &rejected);
        is(
            &hold_back(list(&[("a", 2)]), &back),
            &["a 1"],
            &["a 2 rejected"],
        );
        let other = hold_back(list(&[("a", 3)]), &rejected);
        is(&other, &["a 1"], &["a 2 rejected", "a 3 unreviewed"]);
        assert!(decide(&rejected, "a", ReviewVerdict::Reject, "", "", first.seen_at).is_none());
        is(
            &decided(&rejected, "a", ReviewVerdict::Approve),
            &["a 2"],
            &[],
        );
    }

    #[test]
    fn it_gives_a_tool_that_comes_back_what_was_approved_and_nothing_else() {
        let first = list(&[("a", 1), ("b", 1)]);
        let gone = hold_back(list(&[("b", 1)]), &first);
        is(&gone, &["b 1"], &["a 1 approved"]);
        let still = hold_back(list(&[]), &gone);
        is(&still, &[], &["a 1 approved", "b 1 approved"]);
        let later = Catalogue {
            seen_at: OffsetDateTime::UNIX_EPOCH + time::Duration::HOUR,
            ..list(&[])
        };
        assert_eq!(hold_back(later, &still).reviews, still.reviews);
        is(
            &hold_back(list(&[("a", 1)]), &still),
            &["a 1"],
            &["b 1 approved"],
        );
        let other = hold_back(list(&[("a", 2)]), &still);
        is(&other, &["a 1"], &["a 2 unreviewed", "b 1 approved"]);
    }

    #[test]
    fn it_takes_a_definition_that_is_only_written_otherwise_for_the_same() {
        let first = list(&[("a", 1)]);
        let mut again = list(&[]);
        again.tools.push(RawTool {
            name: "a".to_owned(),
            json: r#"{ "version": 1, "name": "a" }"#.to_owned(),
        });
        let again = hold_back(again, &first);
        is(&again, &["a 1"], &[]);
        assert_eq!(again.tools, first.tools);
    }

    #[test]
    fn it_lets_no_second_tool_of_a_name_pass_beside_the_approved_one() {
        let first = list(&[("a", 1)]);
        let twice = hold_back(list(&[("a", 2), ("a", 1), ("a", 3)]), &first);
        is(&twice, &["a 1"], &["a 2 unreviewed"]);
    }

    #[test]
    fn it_brings_a_tool_back_that_was_pinned_twice_as_soon_as_one_definition_is_left() {
        let twice = list(&[("a", 1), ("b", 1), ("a", 2)]);
        // One of the old ones is left.
        for left in [1, 2] {
            let one_old = hold_back(list(&[("b", 1), ("a", left)]), &twice);
            is(&one_old, &["b 1", &format!("a {left}")], &[]);
        }
        // There is a new one.
        let one_new = hold_back(list(&[("a", 3), ("b", 1)]), &twice);
        is(&one_new, &["a 1", "a 2", "b 1"], &["a 3 unreviewed"]);
        let approved = decided(&one_new, "a", ReviewVerdict::Approve);
        is(&approved, &["a 3", "b 1"], &[]);
        is(
            &hold_back(list(&[("a", 3), ("b", 1)]), &approved),
            &["a 3", "b 1"],
            &[],
        );
        // Both are still there, beside a new one or not.
        let both = hold_back(list(&[("a", 2), ("a", 1), ("b", 1)]), &twice);
        is(&both, &["a 1", "a 2", "b 1"], &[]);
        let beside = hold_back(list(&[("a", 1), ("a", 2), ("a", 3), ("b", 1)]), &twice);
        is(&beside, &["a 1", "a 2", "b 1"], &["a 3 unreviewed"]);
        let approved = decided(&beside, "a", ReviewVerdict::Approve);
        is(&approved, &["a 3", "b 1"], &[]);
    }

    #[test]
    fn it_counts_definitions_of_a_name_that_are_the_same() {
        let twice = list(&[("a", 1), ("a", 1)]);
        is(&hold_back(twice.clone(), &twice), &["a 1", "a 1"], &[]);
        is(&hold_back(list(&[("a", 1)]), &twice), &["a 1"], &[]);
        let once = list(&[("a", 1)]);
        is(&hold_back(twice, &once), &["a 1"], &[]);
    }

    /// The same definitions in other bytes.
    fn written_otherwise(list: &Catalogue) -> Catalogue {
        let mut other = list.clone();
        for tool in &mut other.tools {
            tool.json = tool.json.replace(':', " : ");
        }
        other
    }

    #[test]
    fn it_reads_each_definition_once_however_many_have_a_name() {
        const TOOLS: u32 = 500;
        let names: Vec<String> = (0..TOOLS).map(|number| number.to_string()).collect();
        let of_own_names: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let of_one_name: Vec<_> = (0..TOOLS).map(|version| ("a", version)).collect();
        let waiting = hold_back(list(&of_own_names), &list(&[]));
        assert_eq!(waiting.reviews.len(), of_own_names.len());
        for (listed, in_force) in [
            (list(&of_one_name), list(&of_one_name)),
            (list(&of_own_names), list(&of_own_names)),
            (list(&of_own_names), waiting),
        ] {
            let again = written_otherwise(&listed);
            let (_, steps) = step_count::taken_by(|| hold_back(again, &in_force));
            assert!(steps <= 6 * u64::from(TOOLS), "{steps}");
        }
    }
}

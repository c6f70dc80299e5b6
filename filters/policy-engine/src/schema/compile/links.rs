//! How nodes lead to each other without a step into the value: such chains must end, and are
//! shortened.

use step_count::count;

use crate::schema::tree::{Additional, Approach, Kinds, More, Node, NodeId, OnlyChoices, Tree};

/// The longest chain of `$ref`, `allOf`, `anyOf` and `oneOf` on one value.
const LONGEST_CHAIN: u32 = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done { height: u32 },
}

/// Finds chains that never end, and those that are too long to follow.
///
/// # Errors
/// The first of them: the node where it was found, and its fault.
pub(super) fn check(nodes: &[Node]) -> Result<(), (NodeId, &'static str)> {
    let mut visits = vec![Visit::New; nodes.len()];
    for index in 0..nodes.len() {
        let id = NodeId(u32::try_from(index).unwrap_or(u32::MAX));
        height(nodes, &mut visits, id, 0).map_err(|reason| (id, reason))?;
    }
    Ok(())
}

fn height(
    nodes: &[Node],
    visits: &mut [Visit],
    id: NodeId,
    depth: u32,
) -> Result<u32, &'static str> {
    const TOO_LONG: &str = "more than 32 references and alternatives in a row; nest them less";
    match visits.get(id.index()) {
        Some(Visit::Done { height }) => return Ok(*height),
        Some(Visit::Open) => {
            return Err(
                "refers to itself without a step into the value, so it asks for nothing; break \
                 the circle",
            );
        }
        _ if depth > LONGEST_CHAIN => return Err(TOO_LONG),
        _ => {}
    }
    mark(visits, id, Visit::Open);
    let mut tallest = 0;
    for child in nodes.get(id.index()).into_iter().flat_map(linked) {
        tallest = tallest.max(height(nodes, visits, child, depth + 1)? + 1);
    }
    if tallest > LONGEST_CHAIN {
        return Err(TOO_LONG);
    }
    mark(visits, id, Visit::Done { height: tallest });
    Ok(tallest)
}

fn mark(visits: &mut [Visit], id: NodeId, visit: Visit) {
    if let Some(place) = visits.get_mut(id.index()) {
        *place = visit;
    }
}

/// The nodes that look at the same value.
fn linked(node: &Node) -> impl Iterator<Item = NodeId> {
    let more = node.more.iter();
    more.flat_map(|more| {
        more.all
            .iter()
            .chain(more.groups.iter().flat_map(|group| &group.nodes))
    })
    .copied()
}

/// Replaces every node that only refers to another one by that one, and notes for each which kinds
/// have a chance. All chains end: [`check`] has seen to that.
pub(super) fn shorten(tree: &mut Tree) {
    let targets: Vec<NodeId> = (0..)
        .map(NodeId)
        .take(tree.nodes.len())
        .map(|id| target(&tree.nodes, id))
        .collect();
    let resolve = |id: &mut NodeId| *id = targets.get(id.index()).copied().unwrap_or(*id);
    resolve(&mut tree.root);
    for node in &mut tree.nodes {
        if let Some(array) = &mut node.array {
            resolve(&mut array.items);
        }
        if let Some(object) = &mut node.object {
            object
                .properties
                .iter_mut()
                .filter_map(|property| property.node.as_mut())
                .for_each(resolve);
            if let Additional::Fits(id) = &mut object.additional {
                resolve(id);
            }
        }
        if let Some(more) = &mut node.more {
            more.all.iter_mut().for_each(resolve);
            more.groups
                .iter_mut()
                .flat_map(|group| &mut group.nodes)
                .for_each(resolve);
        }
    }
    let mut known = vec![None; tree.nodes.len()];
    for id in (0..).map(NodeId).take(tree.nodes.len()) {
        accepts(&tree.nodes, &mut known, id);
    }
    let accepts = |id: NodeId| {
        known
            .get(id.index())
            .copied()
            .flatten()
            .unwrap_or(Kinds::ALL)
    };
    for (node, id) in tree.nodes.iter_mut().zip((0..).map(NodeId)) {
        node.accepts = accepts(id);
        node.free = node.free_scalars();
        let group = node.more.as_deref().and_then(|more| more.groups.first());
        if let (Approach::Choose(choices), Some(group)) = (&mut node.approach, group) {
            *choices = OnlyChoices::among(&group.nodes, accepts);
        }
    }
    follow_choices(&mut tree.nodes);
}

/// Has each choice lead to its last one: alternatives of alternatives cost a value no steps.
/// Nearly all are behind the node that has them, and have been followed before it.
fn follow_choices(nodes: &mut [Node]) {
    for index in (0..nodes.len()).rev() {
        let followed = match nodes.get(index).map(|node| &node.approach) {
            Some(Approach::Choose(choices)) => choices.followed(|id, kinds| {
                count(1);
                nodes.get(id.index())?.only_choice(kinds)
            }),
            _ => continue,
        };
        if let Some(node) = nodes.get_mut(index) {
            node.approach = Approach::Choose(followed);
        }
    }
}

fn target(nodes: &[Node], mut id: NodeId) -> NodeId {
    while let Some(node) = nodes.get(id.index()).filter(|node| node.is_open()) {
        match node.more.as_deref() {
            Some(More {
                choices,
                all,
                groups,
            }) if choices.is_empty() && groups.is_empty() => match all.as_slice() {
                [only] => id = *only,
                _ => break,
            },
            _ => break,
        }
    }
    id
}

fn accepts(nodes: &[Node], known: &mut [Option<Kinds>], id: NodeId) -> Kinds {
    if let Some(Some(kinds)) = known.get(id.index()) {
        return *kinds;
    }
    let Some(node) = nodes.get(id.index()) else {
        return Kinds::ALL;
    };
    let mut kinds = node.kinds;
    if let Some(more) = &node.more {
        for child in &more.all {
            kinds = kinds.and(accepts(nodes, known, *child));
        }
        for group in &more.groups {
            let any = group
                .nodes
                .iter()
                .map(|child| accepts(nodes, known, *child))
                .fold(Kinds::NONE, Kinds::or);
            kinds = kinds.and(any);
        }
    }
    if let Some(place) = known.get_mut(id.index()) {
        *place = Some(kinds);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use crate::schema::Compiled;

    use super::*;

    #[test]
    fn it_has_a_choice_lead_to_where_it_leads_no_further() {
        // Each definition is met before the one that it refers to.
        let forward = (0..15).map(|number| {
            let next = number + 1;
            let next = format!(r##"{{"$ref":"#/$defs/d{next}"}}"##);
            format!(r#""d{number}":{{"anyOf":[{{"type":"string"}},{next}]}},"#)
        });
        let forward: String = forward.collect();
        let within = (0..30).fold(r#"{"type":"integer"}"#.to_owned(), |inner, _| {
            format!(r#"{{"anyOf":[{{"type":"string"}},{inner}]}}"#)
        });
        let text = format!(r#"{{"items":{within},"$defs":{{{forward}"d15":{{"type":"null"}}}}}}"#);
        let compiled = Compiled::of(&text);
        assert!(compiled.faults.is_none());
        let nodes = &compiled.schema.tree.nodes;
        for (kinds, count) in [(Kinds::NUMBER, 30), (Kinds::NULL, 15)] {
            let choices = nodes.iter().filter_map(|node| node.only_choice(kinds));
            let choices: Vec<NodeId> = choices.collect();
            assert_eq!(choices.len(), count);
            let same = |choice: &NodeId| *choice == choices[0];
            assert!(choices.iter().all(same), "{choices:?}");
        }
    }
}

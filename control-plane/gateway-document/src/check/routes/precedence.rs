//! Routes to which no request comes, because earlier ones take them all.
//!
//! A route is compared with those earlier ones alone that have one of its listeners, its path or
//! one above it, and one of its headers or parameters.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{ANY_VALUE, HttpRoute, RouteMatch};
use crate::names::Selector;
use crate::parts::Parts;
use crate::patience::Patience;
use crate::problem::{Pointer, Problems};

/// A header or a parameter that a route wants, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted<'a> {
    Header(&'a str, &'a str),
    Parameter(&'a str, &'a str),
}

/// The paths that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Paths<'a> {
    /// This path and no other.
    One(&'a str),
    /// All at this stem and below it.
    Below(&'a str),
    /// Those that match this expression.
    Like(&'a str),
}

/// The listeners of a route, by their places in the document.
enum Listeners {
    All,
    Named(BTreeSet<usize>),
}

/// Where a route is found by those that it may stand before: a listener, its paths, and the one of
/// its headers and parameters that the fewest routes want.
type Place<'a> = (Option<usize>, Paths<'a>, Option<Wanted<'a>>);

/// The routes before one.
pub(super) struct EarlierRoutes<'a> {
    parts: &'a Parts<'a>,
    by_place: BTreeMap<Place<'a>, Vec<usize>>,
    listeners: Vec<Listeners>,
    /// How many routes want each header and parameter.
    wanted: BTreeMap<Wanted<'a>, usize>,
    patience: Patience,
}

impl<'a> EarlierRoutes<'a> {
    /// Before the first route.
    pub(super) fn of(parts: &'a Parts<'a>) -> Self {
        let mut wanted = BTreeMap::new();
        for route in &parts.document.routes {
            for one in all_wanted(&route.matches) {
                *wanted.entry(one).or_default() += 1;
            }
        }
        Self {
            parts,
            by_place: BTreeMap::new(),
            listeners: Vec::new(),
            wanted,
            patience: Patience::new(Patience::USUAL),
        }
    }

    /// Reports the next route if no request comes to it.
    pub(super) fn check(&mut self, routes: &Pointer, index: usize, problems: &mut Problems) {
        let Some(route) = self.parts.document.routes.get(index) else {
            return;
        };
        let listeners = self.listeners_of(route);
        if let Some((other_index, other)) = self.first_to_take_all(route, &listeners) {
            let words = if route.matches.covers(&other.matches) {
                "takes the same requests"
            } else {
                "takes these requests, and others"
            };
            problems.add(
                routes.at(index).at("match"),
                format!(
                    "no request comes to this route: `{}`, at `{}`, {words}, and stands before \
                     it; put this one first, or change one of the two",
                    other.name,
                    routes.at(other_index).at("match")
                ),
            );
        }
        self.add(index, route, listeners);
    }

    fn add(&mut self, index: usize, route: &'a HttpRoute, listeners: Listeners) {
        let rarest = all_wanted(&route.matches).min_by_key(|one| self.wanted.get(one));
        if let Some(paths) = paths(&route.matches) {
            let places: Vec<Option<usize>> = match &listeners {
                Listeners::All => vec![None],
                Listeners::Named(named) => named.iter().copied().map(Some).collect(),
            };
            for listener in places {
                let place = (listener, paths, rarest);
                self.by_place.entry(place).or_default().push(index);
            }
        }
        self.listeners.push(listeners);
    }

    /// The first route that takes every request that this one takes, at each of its listeners. None
    /// also where it takes too long to find one: a route without requests harms nobody.
    fn first_to_take_all(
        &mut self,
        route: &HttpRoute,
        listeners: &Listeners,
    ) -> Option<(usize, &'a HttpRoute)> {
        let all = &self.parts.document.routes;
        let one_listener = match listeners {
            Listeners::All => self.parts.listeners().values().next(),
            Listeners::Named(named) => named.first(),
        };
        let one_listener = *one_listener?;
        let mut wanted: Vec<Option<Wanted<'_>>> = vec![None];
        for one in all_wanted(&route.matches) {
            wanted.push(Some(one));
            wanted.push(Some(match one {
                Wanted::Header(name, _) => Wanted::Header(name, ANY_VALUE),
                Wanted::Parameter(name, _) => Wanted::Parameter(name, ANY_VALUE),
            }));
        }
        let mut first: Option<usize> = None;
        for paths in paths_around(&route.matches) {
            for one in &wanted {
                for listener in [None, Some(one_listener)] {
                    if !self.patience.take(1) {
                        return None;
                    }
                    let place = (listener, paths, *one);
                    for index in self.by_place.get(&place).into_iter().flatten() {
                        if first.is_some_and(|first| first <= *index) {
                            break;
                        }
                        let other = all.get(*index)?;
                        let theirs = self.listeners.get(*index)?;
                        let steps = 1 + other.matches.headers.len() + other.matches.query.len();
                        if !self.patience.take(steps) {
                            return None;
                        }
                        if other.matches.covers(&route.matches) && self.has_all(theirs, listeners) {
                            first = Some(*index);
                        }
                    }
                }
            }
        }
        first.and_then(|index| Some((index, all.get(index)?)))
    }

    /// Whether a route has all listeners of another one.
    fn has_all(&self, theirs: &Listeners, mine: &Listeners) -> bool {
        match (theirs, mine) {
            (Listeners::All, _) => true,
            (Listeners::Named(theirs), Listeners::All) => {
                theirs.len() == self.parts.listeners().len()
            }
            (Listeners::Named(theirs), Listeners::Named(mine)) => {
                step_count::count(mine.len());
                mine.len() <= theirs.len() && mine.is_subset(theirs)
            }
        }
    }

    fn listeners_of(&self, route: &HttpRoute) -> Listeners {
        if route.listeners.contains(&Selector::All) {
            return Listeners::All;
        }
        Listeners::Named(self.parts.named_by(route).collect())
    }
}

fn all_wanted(matches: &RouteMatch) -> impl Iterator<Item = Wanted<'_>> {
    let headers = matches.headers.iter();
    let headers = headers.map(|(name, value)| Wanted::Header(name.as_str(), value));
    let parameters = matches.query.iter();
    headers.chain(parameters.map(|(name, value)| Wanted::Parameter(name, value)))
}

/// The paths that a route takes; none of one that says nothing of paths, which is a fault.
fn paths(matches: &RouteMatch) -> Option<Paths<'_>> {
    let prefix = matches.prefix.as_ref();
    let path = matches.path.as_ref();
    let regex = matches.regex.as_ref();
    prefix
        .map(|prefix| Paths::Below(prefix.stem()))
        .or_else(|| path.map(|path| Paths::One(path.as_str())))
        .or_else(|| regex.map(|regex| Paths::Like(regex.as_str())))
}

/// The paths of all routes that may take what a route takes.
fn paths_around(matches: &RouteMatch) -> Vec<Paths<'_>> {
    let mut all = vec![Paths::Below("")];
    if let Some(inner) = matches.path.as_ref().or(matches.prefix.as_ref()) {
        let inner = inner.as_str();
        let ends = inner.match_indices('/').map(|(at, _)| at).skip(1);
        let stems = ends.chain([inner.len()]).filter_map(|end| inner.get(..end));
        all.extend(stems.map(Paths::Below));
    }
    all.extend(matches.path.iter().map(|path| Paths::One(path.as_str())));
    all.extend(
        matches
            .regex
            .iter()
            .map(|regex| Paths::Like(regex.as_str())),
    );
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::GatewayDocument;
    use crate::names::ListenerName;
    use crate::parse::{Format, parse};

    fn listeners_of<'a>(
        document: &'a GatewayDocument,
        route: &'a HttpRoute,
    ) -> BTreeSet<&'a ListenerName> {
        let names = document.listeners.iter().map(|listener| &listener.name);
        let has = |name: &&ListenerName| {
            let mut selectors = route.listeners.iter();
            selectors.any(|selector| match selector {
                Selector::All => true,
                Selector::Named(named) => named == *name,
            })
        };
        names.filter(has).collect()
    }

    /// The routes without requests, each with the first before it that takes them all, by looking
    /// at each route before each.
    fn by_looking_at_all(document: &GatewayDocument) -> Vec<(usize, usize)> {
        let routes = document.routes.iter().enumerate();
        let found = routes.filter_map(|(index, route)| {
            let mine = listeners_of(document, route);
            let by = document.routes[..index].iter().position(|other| {
                !mine.is_empty()
                    && mine.is_subset(&listeners_of(document, other))
                    && other.matches.covers(&route.matches)
            });
            Some((index, by?))
        });
        found.collect()
    }

    #[test]
    fn it_finds_the_same_as_a_look_at_each_route_before_each() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut count = 0;
        for _ in 0..2_000 {
            let routes: Vec<String> = (0..random.usize(2..12))
                .map(|index| {
                    let mut route = format!("{{name: n{index}, to: {{cluster: c}}, ");
                    let mut one_of = |words: &[&str]| {
                        route.push_str(words[random.usize(..words.len())]);
                    };
                    one_of(&[
                        "",
                        "",
                        "listeners: [a], ",
                        "listeners: [a, b], ",
                        "listeners: [x], ",
                    ]);
                    one_of(&[
                        "match: {prefix: /",
                        "match: {prefix: /p",
                        "match: {prefix: /p/q/",
                        "match: {path: /p",
                        "match: {path: /p/q",
                        "match: {path: /p/",
                        "match: {regex: '/p.*'",
                    ]);
                    one_of(&["", "", ", methods: [GET]", ", methods: [GET, PUT]"]);
                    one_of(&["", "", ", headers: {h: '*'}", ", headers: {h: '1', i: '2'}"]);
                    one_of(&["", "", ", query: {q: '*'}", ", query: {q: '1', r: '*'}"]);
                    route.push_str("}}");
                    route
                })
                .collect();
            let text = format!(
                "{{listeners: [{{name: a, address: '127.0.0.1:1'}}, \
                 {{name: b, address: '127.0.0.1:2'}}], \
                 clusters: [{{name: c, endpoints: ['c:1']}}], routes: [{}]}}",
                routes.join(", ")
            );
            let document = parse(&text, Format::Yaml).unwrap();
            let parts = Parts::of(&document);
            let mut earlier = EarlierRoutes::of(&parts);
            let mut found = Vec::new();
            for (index, route) in document.routes.iter().enumerate() {
                let listeners = earlier.listeners_of(route);
                let by = earlier.first_to_take_all(route, &listeners);
                found.extend(by.map(|(by, _)| (index, by)));
                earlier.add(index, route, listeners);
            }
            assert_eq!(found, by_looking_at_all(&document), "{text}");
            count += found.len();
        }
        assert!(count > 1_000, "{count} found");
    }
}

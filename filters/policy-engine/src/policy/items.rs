//! The items that no list names: prompts, resources, and messages by their method.

use key_folding::is_around;

use super::Policy;
use crate::ids::EndpointId;
use crate::item::Item;
use crate::item_kind::ItemKind;
use crate::method::MessageForm;
use crate::named_by::{COMPLETE, NamedBy};
use crate::refusal::Refusal;
use crate::tools::Subject;
use crate::tools::rule::{LONGEST_NAME, Rule};
use crate::{uri, uri_pattern};

/// The names by which a message other than a tool call says what it is about.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// The kind of item.
    pub kind: ItemKind,
    /// The method of the message.
    pub method: &'a [u8],
    /// The name of a prompt, the URI of a resource, or a template of URIs; for
    /// [`ItemKind::Method`] the method itself.
    pub name: &'a [u8],
    /// Whether the message asks for an answer.
    pub form: MessageForm,
}

impl Policy {
    /// Whether a rule may be about messages of this method that name an item of this kind: then ask
    /// [`Self::item`] once its name is known. If not, [`Self::closed_method`] decides.
    #[must_use]
    pub fn may_rule_on(&self, endpoint: EndpointId, kind: ItemKind, method: &[u8]) -> bool {
        let (Some((_, server)), Ok(method)) = (self.owner(endpoint), std::str::from_utf8(method))
        else {
            return false;
        };
        let mut about = self.tools.about_unlisted(server, kind, method);
        about.next().is_some()
    }

    /// The part of the messages of a method that names what a rule may be about; none where no rule
    /// is about any of them, and [`Self::closed_method`] decides.
    #[must_use]
    pub fn named_by(&self, endpoint: EndpointId, method: &[u8]) -> Option<NamedBy> {
        let may_rule = |kind: &ItemKind| self.may_rule_on(endpoint, *kind, method);
        let by = NamedBy::of_method(method)?;
        by.kinds().iter().any(may_rule).then_some(by)
    }

    /// The item other than a tool that a message names; none where no rule is about it. It belongs
    /// to the server that gets the endpoint's messages.
    ///
    /// # Errors
    /// [`Refusal::NotNormal`] for a name that servers might take for another one, or that is longer
    /// than 512 bytes, a URI than 4,096, where a rule goes by names of this kind.
    pub fn item(&self, endpoint: EndpointId, naming: Naming<'_>) -> Result<Option<Item>, Refusal> {
        let Some((place, server)) = self.owner(endpoint) else {
            return Ok(None);
        };
        let Naming {
            kind,
            method,
            name,
            form,
        } = naming;
        let unclear = || Refusal::not_normal(kind, name);
        let method_text = std::str::from_utf8(method).map_err(|_| unclear())?;
        let name_text = std::str::from_utf8(name).map_err(|_| unclear())?;
        let mut about = self.tools.about_unlisted(server, kind, method_text);
        let is_unclear = match method.len() > LONGEST_NAME {
            true => about.next().is_some(),
            false => about.any(Rule::goes_by_name) && !is_normal(kind, method_text, name_text),
        };
        if is_unclear {
            return Err(unclear());
        }
        let subject = Subject {
            kind,
            name: name_text,
            method: method_text,
        };
        let closed = self.closed_method(method, form);
        Ok(self.tools.unlisted(place, subject, closed))
    }

    /// The server that gets what is no tool call at an endpoint, and its place among all.
    fn owner(&self, endpoint: EndpointId) -> Option<(usize, &str)> {
        let forward = self.endpoints.get(endpoint.0 as usize)?.forward;
        let server = &forward.of(self.tools.targets.all())?.server;
        Some((self.tools.server_place(server)?, server))
    }
}

/// How long a URI may be where rules go by URIs, in bytes.
const LONGEST_URI: usize = 4096;

/// Whether a name has but one spelling, and is short enough for patterns to go over it.
fn is_normal(kind: ItemKind, method: &str, name: &str) -> bool {
    let longest = match kind {
        ItemKind::Resource => LONGEST_URI,
        _ => LONGEST_NAME,
    };
    if name.len() > longest {
        return false;
    }
    match kind {
        // A template has no braces once it is a URI, and servers take them for letters.
        ItemKind::Resource if method == COMPLETE => uri_pattern::is_normal_template(name),
        ItemKind::Resource => uri::is_normal(name),
        // A server in C ends it at a NUL, and others trim it.
        ItemKind::Prompt => {
            name.trim_matches(is_around) == name && !name.contains(char::is_control)
        }
        ItemKind::Tool | ItemKind::Method => true,
    }
}

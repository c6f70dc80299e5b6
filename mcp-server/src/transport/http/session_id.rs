//! The id of a session, which is all that there is to it.

use std::fmt;
use std::str::FromStr;

use rmcp::model::ProtocolVersion;
use uuid::Uuid;

use crate::call::{ClientAbilities, Principal};

/// The place of one ability among all.
type AbilityPlace = fn(&mut ClientAbilities) -> &mut bool;

/// The letters by which an id names what its client can be asked for, in their order.
const LETTERS: [(char, AbilityPlace); 3] = [
    ('e', |abilities| &mut abilities.elicitation),
    ('s', |abilities| &mut abilities.sampling),
    ('r', |abilities| &mut abilities.roots),
];

/// A session's id, and the session: `2025-11-25.es.6f1c1c0e7b7e4e0e9c560d2d5a1f0a11` is one whose
/// client can be asked for elicitation and sampling; of one that can be asked for nothing the
/// letters and their point are left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionId {
    /// The revision that was agreed on.
    pub(super) revision: ProtocolVersion,
    /// The things that the client has said it can be asked for.
    pub(super) abilities: ClientAbilities,
    number: Uuid,
}

impl SessionId {
    /// The id of a new session.
    pub(super) fn new(revision: ProtocolVersion, abilities: ClientAbilities) -> Self {
        Self {
            revision,
            abilities: ClientAbilities {
                // They are of the revisions without sessions.
                tasks: false,
                ..abilities
            },
            number: Uuid::new_v4(),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.revision.as_str())?;
        let mut abilities = self.abilities;
        let able = LETTERS
            .iter()
            .filter(|(_, ability)| *ability(&mut abilities));
        let letters: String = able.map(|(letter, _)| letter).collect();
        if !letters.is_empty() {
            write!(f, "{letters}.")?;
        }
        write!(f, "{}", self.number.simple())
    }
}

/// The client of a session as far as it can be told from others: nobody else answers what it was
/// asked, or hears what it asked to hear of, not even with the session's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionCaller {
    /// The session's id as text.
    pub(super) session: String,
    /// The caller of the request.
    pub(super) principal: Principal,
}

/// The text is no id that this server gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotASession;

impl FromStr for SessionId {
    type Err = NotASession;

    fn from_str(text: &str) -> Result<Self, NotASession> {
        let (revision, rest) = text.split_once('.').ok_or(NotASession)?;
        let known = ProtocolVersion::KNOWN_VERSIONS
            .iter()
            .find(|known| known.as_str() == revision && known.has_initialize());
        let (letters, number) = rest.split_once('.').unwrap_or(("", rest));
        let mut abilities = ClientAbilities::default();
        for (letter, ability) in LETTERS {
            *ability(&mut abilities) = letters.contains(letter);
        }
        let id = Self {
            revision: known.ok_or(NotASession)?.clone(),
            abilities,
            number: Uuid::try_parse(number).map_err(|_| NotASession)?,
        };
        // One session has one spelling.
        (id.to_string() == text).then_some(id).ok_or(NotASession)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_its_own_ids_in_one_spelling_and_nothing_else() {
        let unable = ClientAbilities::default();
        let id = SessionId::new(ProtocolVersion::V_2025_06_18, unable);
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        let number = id.number.simple().to_string();
        for text in [
            "",
            "x",
            &number,
            &format!("2025-06-18.{}", id.number),
            &format!("2025-06-18.{}", number.to_uppercase().replace('0', "A")),
            &format!("2026-07-28.{number}"),
            &format!("1999-01-01.{number}"),
            &format!("2025-06-18.{number}.x"),
            &format!("2025-06-18..{number}"),
            &format!("2025-06-18.x.{number}"),
            &format!("2025-06-18.se.{number}"),
            &format!("2025-06-18.ee.{number}"),
            &format!("2025-06-18.e.s.{number}"),
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(NotASession), "{text}");
        }
    }

    #[test]
    fn it_names_in_an_id_what_its_client_can_be_asked_for() {
        for (elicitation, sampling, roots, letters) in [
            (true, false, false, "e"),
            (true, true, false, "es"),
            (false, false, true, "r"),
            (true, true, true, "esr"),
        ] {
            let abilities = ClientAbilities {
                elicitation,
                sampling,
                roots,
                tasks: false,
            };
            let id = SessionId::new(ProtocolVersion::V_2025_11_25, abilities);
            let text = id.to_string();
            assert!(
                text.starts_with(&format!("2025-11-25.{letters}.")),
                "{text}"
            );
            assert_eq!(
                text.parse::<SessionId>().map(|id| id.abilities),
                Ok(abilities)
            );
        }
    }
}

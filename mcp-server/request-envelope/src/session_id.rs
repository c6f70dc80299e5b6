//! The id of a session, which is all that there is to it.

use std::fmt;

use rmcp::model::ProtocolVersion;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use call::{ClientAbilities, Principal};

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
/// letters and their point are left out. Where callers have names, a mark of the one whose session
/// it is follows behind a hyphen.
///
/// There is none of these for anybody but its owner, so that whatever is found by a session's id
/// is that of its caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// The revision that was agreed on.
    pub revision: ProtocolVersion,
    /// The things that the client has said it can be asked for.
    pub abilities: ClientAbilities,
    number: Uuid,
    owner: Option<OwnerMark>,
}

/// The mark by which an id tells its owner from all others, made of the owner's name and the id's
/// number. There is no key in it: whoever sees an id can try a name that they guess, and whoever
/// knows a name can make its mark. It gives no right, because it is compared with the name in the
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct OwnerMark(Uuid);

impl OwnerMark {
    /// The mark of this caller; none of those without a name, who cannot be told apart.
    fn of(principal: &Principal, number: Uuid) -> Option<Self> {
        let name = principal.owner()?;
        let hash = Sha256::new().chain_update(number).chain_update(name);
        // Half of the bytes: nobody finds another name with these.
        let half = *hash.finalize().first_chunk()?;
        Some(Self(Uuid::from_bytes(half)))
    }
}

impl SessionId {
    /// The id of a new session of this caller.
    pub fn new(
        revision: ProtocolVersion,
        abilities: ClientAbilities,
        principal: &Principal,
    ) -> Self {
        let number = Uuid::new_v4();
        Self {
            revision,
            abilities: ClientAbilities {
                // They are of the revisions without sessions.
                tasks: false,
                ..abilities
            },
            number,
            owner: OwnerMark::of(principal, number),
        }
    }

    /// Reads the id of a session of this caller.
    ///
    /// # Errors
    /// It is none that this server gives, or is given to another caller ([`NotASession`]).
    pub fn read(text: &str, principal: &Principal) -> Result<Self, NotASession> {
        let (revision, rest) = text.split_once('.').ok_or(NotASession)?;
        let known = ProtocolVersion::KNOWN_VERSIONS
            .iter()
            .find(|known| known.as_str() == revision && known.has_initialize());
        let (letters, number) = rest.split_once('.').unwrap_or(("", rest));
        let mut abilities = ClientAbilities::default();
        for (letter, ability) in LETTERS {
            *ability(&mut abilities) = letters.contains(letter);
        }
        let (number, _) = number.split_once('-').unwrap_or((number, ""));
        let number = Uuid::try_parse(number).map_err(|_| NotASession)?;
        let id = Self {
            revision: known.ok_or(NotASession)?.clone(),
            abilities,
            number,
            owner: OwnerMark::of(principal, number),
        };
        // One session has one spelling, and one owner.
        (id.to_string() == text).then_some(id).ok_or(NotASession)
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
        write!(f, "{}", self.number.simple())?;
        match self.owner {
            Some(OwnerMark(mark)) => write!(f, "-{}", mark.simple()),
            None => Ok(()),
        }
    }
}

/// The text is no id that this server gives to this caller.
#[derive(Debug, PartialEq, Eq)]
pub struct NotASession;

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Principal {
        Principal::Named("ada".to_owned())
    }

    #[test]
    fn it_reads_its_own_ids_in_one_spelling_and_nothing_else() {
        let unable = ClientAbilities::default();
        let nobody = Principal::Anonymous;
        let id = SessionId::new(ProtocolVersion::V_2025_06_18, unable, &nobody);
        assert_eq!(SessionId::read(&id.to_string(), &nobody), Ok(id.clone()));
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
            &format!("2025-06-18.{number}-"),
            &format!("2025-06-18.{number}-{number}"),
            &format!("2025-06-18..{number}"),
            &format!("2025-06-18.x.{number}"),
            &format!("2025-06-18.se.{number}"),
            &format!("2025-06-18.ee.{number}"),
            &format!("2025-06-18.e.s.{number}"),
        ] {
            let read = SessionId::read(text, &nobody);
            assert_eq!(read, Err(NotASession), "{text}");
        }
    }

    #[test]
    fn it_knows_the_session_of_a_caller_from_those_of_all_others() {
        let unable = ClientAbilities::default();
        let begun = |principal: &Principal| {
            SessionId::new(ProtocolVersion::V_2025_11_25, unable, principal)
        };
        let callers = [
            ada(),
            Principal::Named("mallory".to_owned()),
            Principal::Named(String::new()),
            Principal::Anonymous,
        ];
        for owner in &callers {
            let session = begun(owner).to_string();
            for caller in &callers {
                let read = SessionId::read(&session, caller);
                assert_eq!(read.is_ok(), owner == caller, "{session} {caller:?}");
            }
        }
        // No other caller's mark fits the number, and this one's fits no other number.
        let [one, two] = [begun(&ada()), begun(&ada())];
        let swapped = SessionId {
            owner: two.owner,
            ..one.clone()
        };
        assert_ne!(one.owner, two.owner);
        assert_eq!(
            SessionId::read(&swapped.to_string(), &ada()),
            Err(NotASession)
        );
        let doubled = format!("{one}-{}", one.number.simple());
        assert_eq!(SessionId::read(&doubled, &ada()), Err(NotASession));
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
            for principal in [Principal::Anonymous, ada()] {
                let id = SessionId::new(ProtocolVersion::V_2025_11_25, abilities, &principal);
                let text = id.to_string();
                let beginning = format!("2025-11-25.{letters}.");
                assert!(text.starts_with(&beginning), "{text}");
                let read = SessionId::read(&text, &principal);
                assert_eq!(read.map(|id| id.abilities), Ok(abilities));
            }
        }
    }
}

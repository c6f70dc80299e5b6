//! One endpoint behind a cluster or a server, with its share of the requests.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::authority::UpstreamAuthority;
use super::endpoint_url::EndpointUrl;

/// One endpoint behind a cluster or a server. Where its place is all that there is to say, a
/// document has the place alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint<P> {
    /// The place to connect to.
    pub place: P,
    /// Its share of the requests, in proportion to the other endpoints' weights.
    pub weight: u32,
    /// The operator's word on its health.
    pub health: EndpointHealth,
}

impl<P> Endpoint<P> {
    /// Whether there is no more to say of it than its place.
    fn is_plain(&self) -> bool {
        self.weight == 1 && self.health == EndpointHealth::Healthy
    }
}

impl<P> From<P> for Endpoint<P> {
    fn from(place: P) -> Self {
        Self {
            place,
            weight: 1,
            health: EndpointHealth::Healthy,
        }
    }
}

/// An operator's word on the health of an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointHealth {
    /// It gets requests, unless checks say otherwise.
    #[default]
    Healthy,
    /// It gets none while there are enough others.
    Degraded,
    /// It gets no new requests; those under way end.
    Draining,
    /// It gets no requests at all.
    Unhealthy,
}

impl EndpointHealth {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// How the place of an endpoint is written in a document.
pub trait Place: FromStr<Err: fmt::Display> + fmt::Display {
    /// An endpoint of which more is said than its place.
    type Written: for<'de> Deserialize<'de> + Serialize + JsonSchema + Into<Endpoint<Self>>;

    /// The endpoint with all that is said of it.
    fn written(endpoint: &Endpoint<Self>) -> Self::Written
    where
        Self: Sized;

    /// The words for what an author may write.
    const EXPECTED: &'static str;
}

macro_rules! written_endpoints {
    ($(
        $(#[$doc:meta])*
        $written:ident: $place:ty, $field:ident, $expected:literal;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $written {
            /// The place to connect to.
            $field: $place,
            /// Its share of the requests, in proportion to the other endpoints' weights; 1 by
            /// default.
            #[serde(default = "one", skip_serializing_if = "is_one")]
            #[schemars(range(min = 1, max = 65_535))]
            weight: u32,
            /// Whether it gets requests.
            #[serde(default, skip_serializing_if = "EndpointHealth::is_usual")]
            health: EndpointHealth,
        }

        impl From<$written> for Endpoint<$place> {
            fn from(written: $written) -> Self {
                Self {
                    place: written.$field,
                    weight: written.weight,
                    health: written.health,
                }
            }
        }

        impl Place for $place {
            type Written = $written;
            const EXPECTED: &'static str = $expected;
            fn written(endpoint: &Endpoint<Self>) -> $written {
                $written {
                    $field: endpoint.place.clone(),
                    weight: endpoint.weight,
                    health: endpoint.health,
                }
            }
        }
    )*};
}

written_endpoints! {
    /// An endpoint of a cluster, of which more is said than its address.
    WeightedAddress: UpstreamAuthority, address,
        "a host and a port such as `10.0.0.5:8001`, or an object with `address`, `weight` and \
         `health`";
    /// An endpoint of a server, of which more is said than its URL.
    WeightedUrl: EndpointUrl, url,
        "a URL such as `http://10.0.0.5:8001/mcp`, or an object with `url`, `weight` and `health`";
}

fn one() -> u32 {
    1
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_one(weight: &u32) -> bool {
    *weight == 1
}

impl<'de, P: Place> Deserialize<'de> for Endpoint<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<P>(PhantomData<P>);

        impl<'de, P: Place> Visitor<'de> for Either<P> {
            type Value = Endpoint<P>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(P::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse::<P>().map(Endpoint::from).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                P::Written::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<P: Place> Serialize for Endpoint<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_plain() {
            serializer.collect_str(&self.place)
        } else {
            P::written(self).serialize(serializer)
        }
    }
}

impl<P: Place + JsonSchema> JsonSchema for Endpoint<P> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrWeighted", P::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let place = generator.subschema_for::<P>();
        let written = generator.subschema_for::<P::Written>();
        json_schema!({"anyOf": [place, written]})
    }
}

//! Parameters arrive as the values they are.

use serde_json::{Value, json};

use crate::database::Database;
use crate::server::Server;

#[tokio::test]
async fn it_binds_json_values_as_the_types_that_the_query_wants() {
    let database =
        Database::with("CREATE TYPE mood AS ENUM ('calm', 'tense'); CREATE DOMAIN name AS text")
            .await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let check = async |expression: &str, parameters: Value, expected: Value| {
        let answer = client
            .query(&format!("SELECT {expression}"), parameters.clone())
            .await;
        assert_eq!(
            answer.structured()["rows"],
            json!([[expected]]),
            "{expression} {parameters}"
        );
    };
    check("$1", json!(["x"]), json!("x")).await;
    check("$1::int + 1", json!([41]), json!(42)).await;
    check("$1::int + 1", json!(["41"]), json!(42)).await;
    check("$1::int + 1", json!([41.0]), json!(42)).await;
    check("$1::int2", json!([-7]), json!(-7)).await;
    check(
        "$1::int8",
        json!([9_007_199_254_740_993_i64]),
        json!("9007199254740993"),
    )
    .await;
    check(
        "$1::int8",
        json!(["9223372036854775807"]),
        json!("9223372036854775807"),
    )
    .await;
    check(
        "$1::numeric * 2",
        json!(["12345678901234567890.05"]),
        json!("24691357802469135780.10"),
    )
    .await;
    check("$1::numeric", json!([0.1]), json!("0.1")).await;
    check("$1::float8", json!([0.1]), json!(0.1)).await;
    check("$1::float8", json!(["NaN"]), json!("NaN")).await;
    check("$1::float8", json!([1e300]), json!(1e300)).await;
    check("$1::bool", json!([true]), json!(true)).await;
    check("$1::bool", json!(["yes"]), json!(true)).await;
    check("$1::text", json!([5]), json!("5")).await;
    check("$1::text", json!([false]), json!("false")).await;
    check("$1::text IS NULL", json!([null]), json!(true)).await;
    check("$1::date + 1", json!(["2024-02-28"]), json!("2024-02-29")).await;
    check(
        "$1::timestamp",
        json!(["2024-02-28T10:00:00"]),
        json!("2024-02-28T10:00:00"),
    )
    .await;
    check(
        "$1::timestamptz",
        json!(["2024-02-28T10:00:00Z"]),
        json!("2024-02-28T10:00:00+00:00"),
    )
    .await;
    check("$1::interval", json!(["90 minutes"]), json!("PT1H30M")).await;
    check(
        "$1::uuid",
        json!(["6F1C1C0E-7B7E-4E0E-9C56-0D2D5A1F0A11"]),
        json!("6f1c1c0e-7b7e-4e0e-9c56-0d2d5a1f0a11"),
    )
    .await;
    check("$1::char(3)", json!(["abc"]), json!("abc")).await;
    check("$1::varchar(2)", json!(["abc"]), json!("ab")).await;
    check("$1::bit(4)", json!(["1010"]), json!("1010")).await;
    check("$1::bytea", json!(["\\x00ff"]), json!("\\x00ff")).await;
    check("$1::inet", json!(["10.0.0.1/8"]), json!("10.0.0.1/8")).await;
    check("$1::mood", json!(["tense"]), json!("tense")).await;
    check("$1::public.name", json!(["n"]), json!("n")).await;
    check(
        "$1::jsonb -> 'a'",
        json!([{"a": [1, {"b": null}]}]),
        json!([1, {"b": null}]),
    )
    .await;
    check("$1::jsonb", json!(["{\"a\": 1}"]), json!({"a": 1})).await;
    check("$1::json", json!([[1, "x"]]), json!([1, "x"])).await;
    check("$1::int[]", json!([[1, null, 3]]), json!([1, null, 3])).await;
    check(
        "$1::text[]",
        json!([["a,b", "c\"\\d", null, "", "NULL"]]),
        json!(["a,b", "c\"\\d", null, "", "NULL"]),
    )
    .await;
    check(
        "$1::int[][]",
        json!([[[1, 2], [3, 4]]]),
        json!([[1, 2], [3, 4]]),
    )
    .await;
    check(
        "$1::jsonb[]",
        json!([[{"a": 1}, [2]]]),
        json!([{"a": 1}, [2]]),
    )
    .await;
    check("$1::int = ANY ($2)", json!([2, [1, 2, 3]]), json!(true)).await;
    check(
        "n FROM generate_series(1, 10) n ORDER BY n LIMIT $1 OFFSET $2",
        json!([1, 4]),
        json!(5),
    )
    .await;
    check("$2::text || $1::text", json!(["a", "b"]), json!("ba")).await;
    check(
        "$1::text",
        json!(["'; DROP TABLE x; --"]),
        json!("'; DROP TABLE x; --"),
    )
    .await;
}

#[tokio::test]
async fn it_says_which_parameter_is_wrong() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let check = async |sql: &str, parameters: Value, code: &str, part: &str| {
        let answer = client.query(sql, parameters).await;
        let (found, message) = answer.failure();
        assert_eq!(found, code, "{sql}: {message}");
        assert!(message.contains(part), "{sql}: {message}");
    };
    check(
        "SELECT $1::int",
        json!([]),
        "invalid_arguments",
        "1 parameters and `parameters` has 0",
    )
    .await;
    check(
        "SELECT 1",
        json!([1]),
        "invalid_arguments",
        "0 parameters and `parameters` has 1",
    )
    .await;
    check(
        "SELECT $1::int",
        json!(["x"]),
        "22P02",
        "invalid input syntax for type integer",
    )
    .await;
    check(
        "SELECT $1::int",
        json!([1.5]),
        "22P02",
        "invalid input syntax for type integer",
    )
    .await;
    check(
        "SELECT $1::date",
        json!(["2024-02-30"]),
        "22008",
        "out of range",
    )
    .await;
    check(
        "SELECT $1::int",
        json!([[1]]),
        "invalid_arguments",
        "$1 (`integer`): an array",
    )
    .await;
    check(
        "SELECT $1::int",
        json!([{}]),
        "invalid_arguments",
        "$1 (`integer`): an object",
    )
    .await;
    check(
        "SELECT $1::numeric",
        json!([1e30]),
        "invalid_arguments",
        "give it as a string",
    )
    .await;
    check(
        "SELECT $1::text",
        json!(["a\u{0}b"]),
        "invalid_arguments",
        "no type of PostgreSQL can hold a NUL character",
    )
    .await;
}

//! Keeps what looks like a credential out of the registry and out of answers

/// What stands in a credential's place.
const MASK: &str = "***";

/// Words in the name of a setting or variable that holds a credential.
const TELLING: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "token",
    "access.key",
    "accesskey",
    "api_key",
    "credential",
];

/// The value of setting `name`, masked if the name tells that it is a credential.
pub(super) fn setting(name: &str, value: &str) -> String {
    if tells(name) {
        MASK.to_owned()
    } else {
        text(value)
    }
}

/// `text` without the values of `name=value` and `name: value` whose name tells, and without the
/// passwords of URLs.
pub(super) fn text(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

fn line(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at + 1);
        masked.push_str(before);
        let name = before[..at].trim_end_matches(['"', '\'', ' ']);
        let name = name.rsplit(|c: char| !is_of_name(c)).next().unwrap_or("");
        if let Some(of_url) = before
            .strip_suffix(':')
            .and_then(|_| after.strip_prefix("//"))
        {
            masked.push_str("//");
            rest = without_password(of_url, &mut masked);
        } else if !name.is_empty() && tells(name) {
            let lead = after.len() - after.trim_start_matches([' ', '"', '\'']).len();
            let (lead, value) = after.split_at(lead);
            let end = value
                .find([' ', '"', '\'', ',', ';', '&', ')'])
                .unwrap_or(value.len());
            masked.push_str(lead);
            if end > 0 {
                masked.push_str(MASK);
            }
            rest = &value[end..];
        } else {
            rest = after;
        }
    }
    masked.push_str(rest);
    masked
}

/// Copies `user:` of a URL and a mask for its password; what follows is the rest.
fn without_password<'a>(of_url: &'a str, masked: &mut String) -> &'a str {
    let authority_ends = of_url
        .find(['/', ' ', '"', '\'', '?'])
        .unwrap_or(of_url.len());
    let Some(at) = of_url[..authority_ends].rfind('@') else {
        return of_url;
    };
    match of_url[..at].split_once(':') {
        Some((user, _)) => {
            masked.push_str(user);
            masked.push(':');
            masked.push_str(MASK);
            &of_url[at..]
        }
        None => of_url,
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn tells(name: &str) -> bool {
    let name = name.to_lowercase();
    TELLING.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_masks_credentials_and_leaves_the_rest() {
        for (given, expected) in [
            ("nothing here: 1 = 1", "nothing here: 1 = 1"),
            (
                "boom password=hunter2 at 10:30:00",
                "boom password=*** at 10:30:00",
            ),
            (
                "{\"api_token\": \"abc\", \"n\": 1}",
                "{\"api_token\": \"***\", \"n\": 1}",
            ),
            (
                "jdbc:postgresql://bob:pw@db:5432/x",
                "jdbc:postgresql://bob:***@db:5432/x",
            ),
            (
                "see http://127.0.0.1:4040/jobs",
                "see http://127.0.0.1:4040/jobs",
            ),
            (
                "--conf spark.hadoop.fs.s3a.secret.key=abc x",
                "--conf spark.hadoop.fs.s3a.secret.key=*** x",
            ),
            ("DB_PASSWORD='x y'", "DB_PASSWORD='*** y'"),
            ("a\npasswd: x\nb", "a\npasswd: ***\nb"),
        ] {
            assert_eq!(text(given), expected);
        }
        assert_eq!(setting("spark.hadoop.fs.s3a.access.key", "AKIA"), "***");
        assert_eq!(setting("spark.cores.max", "2"), "2");
    }
}

//! The source keeps its layers: lower ones never name upper ones, and heavy crates have one home each.

use std::fs;
use std::path::{Path, PathBuf};

/// A layer may name those of the lines above its own, and itself. Those on one line do not know each other.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["metrics", "net", "tls"],
    &["table", "supervise"],
    &["proxy", "health", "bus", "notify", "acme"],
    &["control"],
    &["config"],
    &["shutdown", "telemetry"],
    &["monitor"],
    &["app"],
    &["cli"],
    &["main", "lib"],
];

/// A crate, and where in `src` it may be named.
const HOMES: &[(&str, &[&str])] = &[
    ("redis", &["bus/"]),
    ("arc_swap", &["table/", "tls/"]),
    ("tokio_rustls", &["tls/", "notify/"]),
    ("x509_parser", &["tls/"]),
    ("prometheus", &["metrics/"]),
    ("figment", &["config/"]),
    ("clap", &["cli/", "main.rs"]),
    ("anyhow", &["app", "cli/", "main.rs"]),
    ("lettre", &["notify/"]),
    ("instant_acme", &["acme/"]),
    ("hyper_rustls", &["acme/"]),
    ("governor", &["proxy/crowd/", "table/intake.rs"]),
    ("procfs", &["monitor/"]),
    ("rustix", &["app/", "monitor/"]),
    ("listenfd", &["app/systemd.rs"]),
    ("sd_notify", &["app/systemd.rs"]),
];

#[test]
fn no_layer_names_one_above_it() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let layer = path.split(['/', '.']).next().unwrap_or_default();
        let Some(height) = height(layer) else {
            wrong.push(format!("{path}: `{layer}` is no layer"));
            continue;
        };
        for (number, named) in names(&text, "crate").into_iter().chain(names(&text, "coalmine")) {
            let allowed = named == layer || self::height(&named).is_none_or(|of_named| of_named < height);
            if !allowed {
                wrong.push(format!("{path}:{number}: `{layer}` names `{named}`"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn heavy_crates_have_one_home_each() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| path.starts_with(home));
            let local = code_lines(&text).any(|(_, line)| line.trim().ends_with(&format!("mod {name};")));
            let used = code_lines(&text).find(|(_, line)| mentions(line, name));
            if let (false, Some((number, _))) = (at_home || local, used) {
                wrong.push(format!("{path}:{number}: `{name}` is not at home here"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn an_import_is_read_in_every_form() {
    let read = |text: &str| names(text, "crate").into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(read("use crate::table::Lane;\nlet x = crate::bus::y();\n// crate::cli\n"), ["table", "bus"]);
    assert_eq!(read("use crate::{\n    model::{A, B},\n    net,\n};\n"), ["model", "net"]);
    assert!(mentions("    redis::cmd(x)", "redis") && !mentions("crate::redis::cmd(x)", "redis"));
    assert!(mentions("use redis as r;", "redis") && !mentions("my_redis::x", "redis"));
}

fn height(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|line| line.contains(&layer))
}

/// The modules that follow `root::`, with the numbers of their lines.
fn names(text: &str, root: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let code: String = code_lines(text).map(|(number, line)| format!("\u{1}{number}\u{2}{line}\n")).collect();
    let mut rest = code.as_str();
    while let Some(at) = rest.find(&format!("{root}::")) {
        let line = rest[..at].rsplit('\u{1}').next().and_then(|tail| tail.split('\u{2}').next());
        let number = line.and_then(|number| number.parse().ok()).unwrap_or(0);
        let whole_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
        rest = &rest[at + root.len() + 2..];
        if whole_word {
            found.extend(heads(rest).into_iter().map(|name| (number, name)));
        }
    }
    found
}

/// The first words of a path, or of every path of a group in braces.
fn heads(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut heads, mut start) = (0, Vec::new(), true);
    let mut line_mark = false;
    for (at, c) in group.char_indices() {
        match c {
            '\u{1}' => line_mark = true,
            '\u{2}' => line_mark = false,
            _ if line_mark => {}
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && depth == 0 && !c.is_whitespace() => {
                heads.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn mentions(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let path = after.starts_with("::") || (line.trim_start().starts_with("use ") && after.starts_with([' ', ';']));
        path && !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// Lines without comments, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()));
    code.filter(|(_, line)| !line.trim().is_empty())
}

/// Every source file, its path from `src`, and its text.
fn sources() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read_folder(&root, &root, &mut sources);
    assert!(sources.len() > 30, "only {} files read", sources.len());
    sources
}

fn read_folder(root: &Path, folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../../vozduxan.example.toml");

fn parsed(text: &str) -> Settings {
    let (settings, complaints) = Settings::parse(text);
    assert_eq!(complaints, [], "{text}");
    settings
}

/// Reads `text`, demands one complaint at this line and key, and that everything else is the default.
#[track_caller]
fn refused(text: &str, line: usize, key: &str, words: &str) {
    let (settings, complaints) = Settings::parse(text);
    assert_eq!(settings, Settings::default(), "{text}");
    let [complaint] = &complaints[..] else { panic!("one complaint was expected: {complaints:?}") };
    assert_eq!((complaint.line, complaint.key.as_str()), (line, key), "{complaint}");
    assert!(complaint.problem.contains(words), "{complaint}");
}

/// The example's `# key = value` lines with their marks removed.
fn uncommented(example: &str) -> String {
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest.to_owned(),
        _ => line.to_owned(),
    };
    example.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_as_it_is_changes_nothing() {
    assert_eq!(parsed(EXAMPLE), Settings::default());
}

#[test]
fn the_example_uncommented_is_exactly_the_defaults() {
    let text = uncommented(EXAMPLE);
    assert_eq!(parsed(&text), Settings::default());
    // A key that the code lacks would be a complaint above; one that the example lacks shows here.
    let keys = text.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
    assert_eq!(keys, 29, "a key was added to or removed from the example or the code");
}

#[test]
fn every_key_is_read() {
    let settings = parsed(
        r#"
        [network]
        listen_interfaces = "127.0.0.1:0,[::1]:6881s"
        upload_limit = 1
        download_limit = 2
        connections_limit = 3
        encryption = "forced"
        public_trackers = false
        extra_trackers = ["udp://tracker.example:1/announce", "https://t.example/a"]
        dht = false
        dht_bootstrap_nodes = ["127.0.0.1:9", "[::1]:10"]
        lsd = false
        upnp = false
        utp = false
        [network.proxy]
        type = "http_auth"
        host = "proxy.example"
        port = 8080
        username = "u"
        password = "p"
        proxy_peers = false
        proxy_trackers = false
        [cache]
        max_bytes = 1_000_000
        ttl_secs = 5
        [stream]
        scheduler = "deadlines"
        prebuffer_min_bytes = 4096
        prebuffer_max_bytes = 0x2000
        window_pieces = 5
        lookahead_pieces = 6
        urgent_seconds = 7
        next_track_warmup = false
        [log]
        level = "verbose"
        "#,
    );
    let node = |host: &str, port| HostPort { host: host.into(), port };
    let proxy = Proxy {
        kind: ProxyKind::HttpAuth,
        host: "proxy.example".into(),
        port: 8080,
        username: "u".into(),
        password: "p".into(),
        proxy_peers: false,
        proxy_trackers: false,
    };
    let expected = Settings {
        network: Network {
            listen_interfaces: Some("127.0.0.1:0,[::1]:6881s".into()),
            proxy: Some(proxy),
            upload_limit: 1,
            download_limit: 2,
            connections_limit: 3,
            encryption: Encryption::Forced,
            public_trackers: false,
            extra_trackers: vec!["udp://tracker.example:1/announce".into(), "https://t.example/a".into()],
            dht: false,
            dht_bootstrap_nodes: vec![node("127.0.0.1", 9), node("::1", 10)],
            lsd: false,
            upnp: false,
            utp: false,
        },
        cache: Cache { max_bytes: Some(1_000_000), ttl_secs: Some(5) },
        stream: Stream {
            scheduler: Scheduler::Deadlines,
            prebuffer_min_bytes: 4096,
            prebuffer_max_bytes: 8192,
            window_pieces: 5,
            lookahead_pieces: 6,
            urgent_seconds: 7,
            next_track_warmup: false,
        },
        log_level: LogLevel::Verbose,
    };
    assert_eq!(settings, expected);
    assert_eq!(expected.network.dht_bootstrap_nodes[1].to_string(), "[::1]:10");
}

#[test]
fn unknown_keys_are_named_with_their_line() {
    refused("\n[network]\ndht = true\ndth = false\n", 4, "network.dth", "unknown key");
    refused("[networking]\ndht = false", 1, "networking", "unknown section");
    refused("loud = 1", 1, "loud", "unknown key");
}

#[test]
fn values_that_cannot_be_used_leave_the_default() {
    refused("[network]\nupload_limit = -1", 2, "network.upload_limit", "-1 is not in 0..=2147483647");
    refused("[network]\nupload_limit = 99999999999999999999999", 2, "network.upload_limit", "is not in");
    refused("[network]\nupload_limit = 1.5", 2, "network.upload_limit", "a number with a point");
    refused("[network]\nconnections_limit = 1", 2, "network.connections_limit", "2..=10000");
    refused("[network]\ndht = \"no\"", 2, "network.dht", "true or false was expected, not a string");
    refused("[network]\nencryption = \"of\"", 2, "network.encryption", "\"forced\"");
    refused("[network]\nlisten_interfaces = \"eth0\"", 2, "network.listen_interfaces", "host:port");
    refused("[network]\nlisten_interfaces = \"eth0:70000\"", 2, "network.listen_interfaces", "address:port");
    refused("[network]\ndht_bootstrap_nodes = 5", 2, "network.dht_bootstrap_nodes", "a list of strings");
    refused("[log]\nlevel = 3", 2, "log.level", "\"verbose\"");
    refused("network = 5", 1, "network", "a section was expected");
    refused("[stream]\nurgent_seconds = 0", 2, "stream.urgent_seconds", "the default 30 is used");
    refused("[network.proxy]\nport = 65536", 2, "network.proxy.port", "65536 is not in");
}

#[test]
fn settings_that_contradict_each_other_are_both_put_back() {
    refused("[stream]\nprebuffer_min_bytes = 600000", 2, "stream.prebuffer_min_bytes", "more than the most");
    refused("[stream]\nwindow_pieces = 61", 2, "stream.window_pieces", "both defaults");
    refused(
        "[stream]\nwindow_pieces = 9\nlookahead_pieces = 8",
        3,
        "stream.lookahead_pieces",
        "both defaults",
    );
}

#[test]
fn half_a_proxy_is_no_proxy() {
    refused("[network.proxy]\ntype = \"socks5\"", 2, "network.proxy.type", "`host`");
    refused("[network.proxy]\ntype = \"socks5\"\nhost = \"h\"", 2, "network.proxy.type", "`port`");
    let text = "[network.proxy]\nhost = \"h\"\nport = 1\ntype = \"socks5_auth\"";
    refused(text, 4, "network.proxy.type", "`username`");
}

#[test]
fn one_bad_element_does_not_lose_the_list() {
    let text =
        "[network]\nextra_trackers = [\n  \"udp://a:1\",\n  \"ftp://b\",\n  7,\n  \"http://c/announce\",\n]";
    let (settings, complaints) = Settings::parse(text);
    assert_eq!(settings.network.extra_trackers, ["udp://a:1", "http://c/announce"]);
    let lines: Vec<_> = complaints.iter().map(|complaint| complaint.line).collect();
    assert_eq!(lines, [4, 5]);
}

#[test]
fn a_file_that_is_not_toml_is_one_complaint() {
    refused("[network]\ndht = false\ndht dht\n", 3, "", "not TOML");
    refused("[network]\ndht = false\n[network]\n", 3, "", "not TOML");
    refused("[network\n", 1, "", "all defaults");
}

#[test]
fn a_password_is_never_repeated() {
    let (_, complaints) = Settings::parse("[network.proxy]\npassword = \"se\\u0000cret\"");
    assert!(!complaints[0].to_string().contains("cret"), "{}", complaints[0]);
    let text = "[network.proxy]\ntype=\"http\"\nhost=\"h\"\nport=1\nusername=\"u\"\npassword=\"secret\"";
    assert!(!format!("{:?}", parsed(text)).contains("secret"));
}

#[test]
fn a_complaint_reads_like_a_log_line() {
    let (_, complaints) = Settings::parse("[network]\nlsd = 1");
    let line = "vozduxan.toml line 2, network.lsd: true or false was expected, not a whole number; \
                the default true is used";
    assert_eq!(complaints[0].to_string(), line);
}

proptest! {
    /// Whatever the file says, there are settings, and they are in range.
    #[test]
    fn any_text_gives_usable_settings(text in "(\\[(network|stream|cache|log)\\]\n)?([a-z_]{1,9} ?= ?[-0-9a-z\"\\[\\]]{0,9}\n){0,4}") {
        let (settings, _) = Settings::parse(&text);
        prop_assert!(settings.stream.prebuffer_min_bytes <= settings.stream.prebuffer_max_bytes);
        prop_assert!(settings.stream.window_pieces <= settings.stream.lookahead_pieces);
    }

    /// A number is taken exactly when it is in the documented range.
    #[test]
    fn numbers_are_taken_by_range(number in 0_u64..20_000) {
        let (settings, complaints) = Settings::parse(&format!("[network]\nconnections_limit = {number}"));
        let taken = u64::from(settings.network.connections_limit) == number && complaints.is_empty();
        prop_assert_eq!(taken, CONNECTIONS.contains(&number));
    }
}

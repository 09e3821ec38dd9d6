//! Records that Flask, Flask-Session and Python's pickle wrote, and that they can read back.

use cloakroom_flask::{FormatError, Integer, Object, Serializer, Signer, TimeDelta, Value};

const SECRET: &str = "dev-secret-key-0123456789abcdef";

fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Dict(entries.map(|(name, value)| (name.into(), value)).into())
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn small() -> Value {
    dict([
        ("_permanent", true.into()),
        ("user_id", 42.into()),
        ("name", "Zoë".into()),
    ])
}

/// One of each type that pickle keeps.
fn everything() -> Value {
    dict([
        ("_permanent", true.into()),
        ("user_id", 42.into()),
        ("name", "Zoë".into()),
        (
            "cart",
            Value::List(vec![
                "tea".into(),
                Value::Tuple(vec!["milk".into(), 2.into()]),
            ]),
        ),
        ("big", integer("1180591620717411303424")),
        ("neg", integer("-1180591620717411303424")),
        ("pi", 3.5.into()),
        ("none", Value::None),
        ("raw", Value::Bytes(b"a\xff".to_vec())),
        ("empty", Value::Bytes(Vec::new())),
        (
            "when",
            Value::DateTime("2023-11-14T22:13:20Z".parse().unwrap()),
        ),
        (
            "local",
            Value::DateTime("2023-11-14T22:13:20.000005".parse().unwrap()),
        ),
        ("day", Value::Date("2023-11-14".parse().unwrap())),
        ("span", Value::TimeDelta(TimeDelta::new(-1, 2, 3).unwrap())),
        ("money", Value::Decimal("1.50".into())),
        ("id", Value::Uuid(((1_u128 << 127) + 5).to_be_bytes())),
        ("html", Value::Markup("<b>".into())),
        ("tags", Value::Set(vec!["a".into()])),
        ("frozen", Value::FrozenSet(vec![1.into()])),
    ])
}

fn integer(digits: &str) -> Value {
    digits.parse::<Integer>().unwrap().into()
}

#[test]
fn flask_signs_its_cookie_as_this_signer_does() {
    let signer = Signer::new(SECRET, Signer::COOKIE_SESSION);
    let payload = "eyJfcGVybWFuZW50Ijp0cnVlLCJuYW1lIjoiWm9cdTAwZWIiLCJ1c2VyX2lkIjo0Mn0";
    let signed = format!("{payload}.ZVPxAA.UWe5K4bMjBX9G9SNoJW40j81Aik");
    assert_eq!(signer.sign_at(payload, 1_700_000_000), signed);
    let (value, at) = signer.unsign_at(signed.as_bytes()).unwrap();
    assert_eq!((value, at), (payload.as_bytes(), 1_700_000_000));
}

#[test]
fn every_flipped_bit_of_a_signed_value_is_refused() {
    // R45
    let signer = Signer::new(SECRET, Signer::FLASK_SESSION).with_fallback("older");
    let signed = signer.sign("2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11");
    for bit in 0..signed.len() * 8 {
        let mut bytes = signed.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(signer.unsign(&bytes), None, "bit {bit}");
    }
    for len in 0..signed.len() {
        assert_eq!(signer.unsign(&signed.as_bytes()[..len]), None);
    }
    assert!(signer.unsign(signed.as_bytes()).is_some());
}

#[test]
fn a_signature_has_one_spelling() {
    // R04: the last character of 27 has two bits to spare.
    let signer = Signer::new(SECRET, Signer::FLASK_SESSION);
    let signed = signer.sign("value");
    let (rest, last) = signed.split_at(signed.len() - 1);
    for other in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=" {
        let other = char::from(*other).to_string();
        let genuine = signer.unsign(format!("{rest}{other}").as_bytes()).is_some();
        assert_eq!(genuine, other == last);
    }
    assert_eq!(signer.unsign(format!("{signed}=").as_bytes()), None);
}

#[test]
fn a_fallback_verifies_and_does_not_sign() {
    // R48
    let old = Signer::new("old", Signer::COOKIE_SESSION);
    let both = Signer::new("new", Signer::COOKIE_SESSION).with_fallback("old");
    assert!(both.unsign(old.sign("v").as_bytes()).is_some());
    assert_eq!(
        both.sign("v"),
        Signer::new("new", Signer::COOKIE_SESSION).sign("v")
    );
}

#[test]
fn timestamps_are_minimal_and_bounded() {
    let signer = Signer::new(SECRET, "salt");
    for seconds in [0, 1, 255, 256, u64::from(u32::MAX), u64::MAX] {
        let signed = signer.sign_at("v", seconds);
        assert_eq!(
            signer.unsign_at(signed.as_bytes()),
            Some((&b"v"[..], seconds))
        );
    }
    assert_eq!(signer.sign_at("v", 0).split('.').nth(1), Some(""));
    let nine_bytes = signer.sign("v.AQAAAAAAAAAA");
    assert_eq!(signer.unsign_at(nine_bytes.as_bytes()), None);
    assert_eq!(signer.unsign_at(signer.sign("v").as_bytes()), None);
}

#[test]
fn msgpack_is_byte_for_byte_flask_sessions() {
    let bytes = hex("83aa5f7065726d616e656e74c3a7757365725f69642aa46e616d65a45a6fc3ab");
    assert_eq!(Serializer::Msgpack.dumps(&small()).unwrap(), bytes);
    assert_eq!(Serializer::Msgpack.loads(&bytes).unwrap(), small());
}

#[test]
fn json_is_byte_for_byte_that_of_the_two() {
    let plain = r#"{"_permanent":true,"user_id":42,"name":"Zoë"}"#;
    assert_eq!(Serializer::Json.dumps(&small()).unwrap(), plain.as_bytes());
    let tagged = r#"{"_permanent":true,"name":"Zo\u00eb","user_id":42}"#;
    assert_eq!(
        Serializer::TaggedJson.dumps(&small()).unwrap(),
        tagged.as_bytes()
    );
    for (serializer, text) in [(Serializer::Json, plain), (Serializer::TaggedJson, tagged)] {
        let read = serializer.loads(text.as_bytes()).unwrap();
        assert_eq!(read.get("name"), Some(&"Zoë".into()));
    }
}

#[test]
fn every_tag_of_flasks_json_is_kept() {
    let text = br#"{"b":{" b":"Yf8="},"d":{" d":"Tue, 14 Nov 2023 22:13:20 GMT"},"di":{" di":{" t__":{" t":[1]}}},"m":{" m":"<b>"},"t":{" t":[1,{" t":[]}]},"u":{" u":"80000000000000000000000000000005"}}"#;
    let read = Serializer::TaggedJson.loads(text).unwrap();
    let types = ["b", "d", "di", "m", "t", "u"].map(|name| read.get(name).unwrap().type_name());
    assert_eq!(
        types,
        ["bytes", "datetime", "dict", "Markup", "tuple", "UUID"]
    );
    assert_eq!(
        read.get("di").unwrap().get(" t"),
        Some(&Value::Tuple(vec![1.into()]))
    );
    assert_eq!(Serializer::TaggedJson.dumps(&read).unwrap(), text);
}

#[test]
fn pickles_of_every_protocol_are_read_with_their_types() {
    for pickle in PICKLES {
        assert!(Serializer::Pickle2.loads(&hex(pickle)).unwrap() == everything());
    }
}

#[test]
fn both_protocols_keep_every_type() {
    for serializer in [Serializer::Pickle0, Serializer::Pickle2] {
        let bytes = serializer.dumps(&everything()).unwrap();
        assert!(serializer.loads(&bytes).unwrap() == everything());
    }
}

#[test]
fn python_2_pickles_are_read() {
    // pickle.dumps({'user': u'Zo\xeb', 'n': 1L, 'ok': True}, 0) and (…, 2) of Python 2.7
    let zero = b"(dp0\nS'ok'\np1\nI01\nsS'user'\np2\nVZo\xeb\np3\nsS'n'\np4\nL1L\ns.";
    let two = b"\x80\x02}q\x00(U\x02okq\x01\x88U\x04userq\x02X\x04\x00\x00\x00Zo\xc3\xabq\x03U\x01nq\x04\x8a\x01\x01u.";
    let wanted = dict([("ok", true.into()), ("user", "Zoë".into()), ("n", 1.into())]);
    for bytes in [&zero[..], &two[..]] {
        assert_eq!(Serializer::Pickle0.loads(bytes).unwrap(), wanted);
    }
}

#[test]
fn records_of_another_version_are_read() {
    let all = [
        Serializer::Msgpack,
        Serializer::Json,
        Serializer::Pickle0,
        Serializer::Pickle2,
    ];
    for reader in all {
        for writer in all {
            let bytes = writer.dumps(&small()).unwrap();
            assert_eq!(reader.loads_any(&bytes).unwrap(), small());
        }
    }
}

#[test]
fn a_value_that_a_format_would_change_is_an_error() {
    let check = |serializer: Serializer, kept: &[&str]| {
        let Value::Dict(entries) = everything() else {
            panic!()
        };
        for (name, value) in entries {
            let Value::Str(name) = name else { panic!() };
            let written = serializer.dumps(&value);
            assert_eq!(
                written.is_ok(),
                kept.contains(&&*name),
                "{serializer:?} {name}"
            );
            match written {
                Ok(bytes) => assert!(serializer.loads(&bytes).unwrap() == value),
                Err(error) => assert!(matches!(error, FormatError::Unsupported { .. })),
            }
        }
    };
    let plain = ["_permanent", "user_id", "name", "pi", "none"];
    let with = |more: &[&'static str]| [&plain[..], more].concat();
    check(Serializer::Msgpack, &with(&["raw", "empty", "when"]));
    check(Serializer::Json, &with(&["big", "neg"]));
    let tagged = ["big", "neg", "raw", "empty", "when", "id", "html", "cart"];
    check(Serializer::TaggedJson, &with(&tagged));

    let refused = |serializer: Serializer, value: Value| {
        let error = serializer.dumps(&value).unwrap_err();
        assert!(matches!(error, FormatError::Unsupported { .. }));
    };
    refused(Serializer::Json, f64::NAN.into());
    refused(Serializer::Json, Value::Dict(vec![(1.into(), 1.into())]));
    refused(
        Serializer::TaggedJson,
        Value::Dict(vec![(1.into(), 1.into())]),
    );
    let list_key = Value::Dict(vec![(Value::List(vec![]), 1.into())]);
    refused(Serializer::Msgpack, list_key);
}

#[test]
fn numbers_are_spelled_as_python_spells_them() {
    let check = |value: f64, text: &str| {
        let bytes = Serializer::TaggedJson.dumps(&value.into()).unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), text);
        let Value::Float(read) = Serializer::TaggedJson.loads(&bytes).unwrap() else {
            panic!()
        };
        assert_eq!(read.to_bits(), value.to_bits());
    };
    check(0.1, "0.1");
    check(1e15, "1000000000000000.0");
    check(1e16, "1e+16");
    check(0.0001, "0.0001");
    check(0.00001, "1e-05");
    check(-0.0, "-0.0");
    check(1.5e300, "1.5e+300");
    check(f64::INFINITY, "Infinity");
    check(f64::NEG_INFINITY, "-Infinity");
}

/// `everything()`, by CPython 3.11 with markupsafe 3.0, protocols 0 to 5.
const PICKLES: [&str; 6] = [
    "286470300a565f7065726d616e656e740a70310a4930310a7356757365725f69640a70320a4934320a73566e616d650a70330a565a6feb0a70340a7356636172740a70350a286c70360a567465610a70370a6128566d696c6b0a70380a49320a7470390a6173566269670a7031300a4c313138303539313632303731373431313330333432344c0a73566e65670a7031310a4c2d313138303539313632303731373431313330333432344c0a735670690a7031320a46332e350a73566e6f6e650a7031330a4e73567261770a7031340a635f636f646563730a656e636f64650a7031350a285661ff0a7031360a566c6174696e310a7031370a747031380a527031390a7356656d7074790a7032300a635f5f6275696c74696e5f5f0a62797465730a7032310a2874527032320a73567768656e0a7032330a636461746574696d650a6461746574696d650a7032340a286731350a285607e70b0e165c7530303064145c75303030305c75303030305c75303030300a7032350a6731370a747032360a527032370a636461746574696d650a74696d657a6f6e650a7032380a28636461746574696d650a74696d6564656c74610a7032390a2849300a49300a49300a747033300a527033310a747033320a527033330a747033340a527033350a73566c6f63616c0a7033360a6732340a286731350a285607e70b0e165c7530303064145c75303030305c7530303030050a7033370a6731370a747033380a527033390a747034300a527034310a73566461790a7034320a636461746574696d650a646174650a7034330a286731350a285607e70b0e0a7034340a6731370a747034350a527034360a747034370a527034380a73567370616e0a7034390a6732390a28492d310a49320a49330a747035300a527035310a73566d6f6e65790a7035320a63646563696d616c0a446563696d616c0a7035330a2856312e35300a7035340a747035350a527035360a735669640a7035370a63636f70795f7265670a5f7265636f6e7374727563746f720a7035380a2863757569640a555549440a7035390a635f5f6275696c74696e5f5f0a6f626a6563740a7036300a4e747036310a527036320a28647036330a56696e740a7036340a4c3137303134313138333436303436393233313733313638373330333731353838343130353733334c0a7362735668746d6c0a7036350a6735380a28636d61726b7570736166650a4d61726b75700a7036360a635f5f6275696c74696e5f5f0a756e69636f64650a7036370a563c623e0a7036380a747036390a527037300a7356746167730a7037310a635f5f6275696c74696e5f5f0a7365740a7037320a28286c7037330a56610a7037340a61747037350a527037360a735666726f7a656e0a7037370a635f5f6275696c74696e5f5f0a66726f7a656e7365740a7037380a28286c7037390a49310a61747038300a527038310a732e",
    "7d710028580a0000005f7065726d616e656e7471014930310a5807000000757365725f696471024b2a58040000006e616d65710358040000005a6fc3ab710458040000006361727471055d710628580300000074656171072858040000006d696c6b71084b02747109655803000000626967710a4c313138303539313632303731373431313330333432344c0a58030000006e6567710b4c2d313138303539313632303731373431313330333432344c0a58020000007069710c47400c00000000000058040000006e6f6e65710d4e5803000000726177710e635f636f646563730a656e636f64650a710f28580300000061c3bf711058060000006c6174696e3171117471125271135805000000656d7074797114635f5f6275696c74696e5f5f0a62797465730a71152952711658040000007768656e7117636461746574696d650a6461746574696d650a711828680f28580b00000007c3a70b0e160d140000007119681174711a52711b636461746574696d650a74696d657a6f6e650a711c28636461746574696d650a74696d6564656c74610a711d284b004b004b0074711e52711f74712052712174712252712358050000006c6f63616c7124681828680f28580b00000007c3a70b0e160d14000005712568117471265271277471285271295803000000646179712a636461746574696d650a646174650a712b28680f28580500000007c3a70b0e712c681174712d52712e74712f52713058040000007370616e7131681d284affffffff4b024b0374713252713358050000006d6f6e6579713463646563696d616c0a446563696d616c0a7135285804000000312e3530713674713752713858020000006964713963636f70795f7265670a5f7265636f6e7374727563746f720a713a2863757569640a555549440a713b635f5f6275696c74696e5f5f0a6f626a6563740a713c4e74713d52713e7d713f5803000000696e7471404c3137303134313138333436303436393233313733313638373330333731353838343130353733334c0a7362580400000068746d6c7141683a28636d61726b7570736166650a4d61726b75700a7142635f5f6275696c74696e5f5f0a756e69636f64650a714358030000003c623e71447471455271465804000000746167737147635f5f6275696c74696e5f5f0a7365740a7148285d7149580100000061714a6174714b52714c580600000066726f7a656e714d635f5f6275696c74696e5f5f0a66726f7a656e7365740a714e285d714f4b0161747150527151752e",
    "80027d710028580a0000005f7065726d616e656e747101885807000000757365725f696471024b2a58040000006e616d65710358040000005a6fc3ab710458040000006361727471055d7106285803000000746561710758040000006d696c6b71084b02867109655803000000626967710a8a0900000000000000004058030000006e6567710b8a090000000000000000c058020000007069710c47400c00000000000058040000006e6f6e65710d4e5803000000726177710e635f636f646563730a656e636f64650a710f580300000061c3bf711058060000006c6174696e3171118671125271135805000000656d7074797114635f5f6275696c74696e5f5f0a62797465730a71152952711658040000007768656e7117636461746574696d650a6461746574696d650a7118680f580b00000007c3a70b0e160d140000007119681186711a52711b636461746574696d650a74696d657a6f6e650a711c636461746574696d650a74696d6564656c74610a711d4b004b004b0087711e52711f85712052712186712252712358050000006c6f63616c71246818680f580b00000007c3a70b0e160d14000005712568118671265271278571285271295803000000646179712a636461746574696d650a646174650a712b680f580500000007c3a70b0e712c681186712d52712e85712f52713058040000007370616e7131681d4affffffff4b024b0387713252713358050000006d6f6e6579713463646563696d616c0a446563696d616c0a71355804000000312e3530713685713752713858020000006964713963757569640a555549440a713a2981713b7d713c5803000000696e74713d8a1105000000000000000000000000000080007362580400000068746d6c713e636d61726b7570736166650a4d61726b75700a713f58030000003c623e71408571418171425804000000746167737143635f5f6275696c74696e5f5f0a7365740a71445d7145580100000061714661857147527148580600000066726f7a656e7149635f5f6275696c74696e5f5f0a66726f7a656e7365740a714a5d714b4b016185714c52714d752e",
    "80037d710028580a0000005f7065726d616e656e747101885807000000757365725f696471024b2a58040000006e616d65710358040000005a6fc3ab710458040000006361727471055d7106285803000000746561710758040000006d696c6b71084b02867109655803000000626967710a8a0900000000000000004058030000006e6567710b8a090000000000000000c058020000007069710c47400c00000000000058040000006e6f6e65710d4e5803000000726177710e430261ff710f5805000000656d70747971104300711158040000007768656e7112636461746574696d650a6461746574696d650a7113430a07e70b0e160d140000007114636461746574696d650a74696d657a6f6e650a7115636461746574696d650a74696d6564656c74610a71164b004b004b0087711752711885711952711a86711b52711c58050000006c6f63616c711d6813430a07e70b0e160d14000005711e85711f52712058030000006461797121636461746574696d650a646174650a7122430407e70b0e712385712452712558040000007370616e712668164affffffff4b024b0387712752712858050000006d6f6e6579712963646563696d616c0a446563696d616c0a712a5804000000312e3530712b85712c52712d58020000006964712e63757569640a555549440a712f298171307d71315803000000696e7471328a1105000000000000000000000000000080007362580400000068746d6c7133636d61726b7570736166650a4d61726b75700a713458030000003c623e71358571368171375804000000746167737138636275696c74696e730a7365740a71395d713a580100000061713b6185713c52713d580600000066726f7a656e713e636275696c74696e730a66726f7a656e7365740a713f5d71404b0161857141527142752e",
    "800495e5010000000000007d94288c0a5f7065726d616e656e7494888c07757365725f6964944b2a8c046e616d65948c045a6fc3ab948c0463617274945d94288c03746561948c046d696c6b944b028694658c03626967948a090000000000000000408c036e6567948a090000000000000000c08c0270699447400c0000000000008c046e6f6e65944e8c0372617794430261ff948c05656d707479944300948c047768656e948c086461746574696d65948c086461746574696d65949394430a07e70b0e160d140000009468138c0874696d657a6f6e6594939468138c0974696d6564656c74619493944b004b004b008794529485945294869452948c056c6f63616c946815430a07e70b0e160d1400000594859452948c036461799468138c0464617465949394430407e70b0e94859452948c047370616e94681a4affffffff4b024b03879452948c056d6f6e6579948c07646563696d616c948c07446563696d616c9493948c04312e353094859452948c026964948c0475756964948c04555549449493942981947d948c03696e74948a11050000000000000000000000000000800073628c0468746d6c948c0a6d61726b757073616665948c064d61726b75709493948c033c623e94859481948c0474616773948f94288c016194908c0666726f7a656e94284b019194752e",
    "800595e5010000000000007d94288c0a5f7065726d616e656e7494888c07757365725f6964944b2a8c046e616d65948c045a6fc3ab948c0463617274945d94288c03746561948c046d696c6b944b028694658c03626967948a090000000000000000408c036e6567948a090000000000000000c08c0270699447400c0000000000008c046e6f6e65944e8c0372617794430261ff948c05656d707479944300948c047768656e948c086461746574696d65948c086461746574696d65949394430a07e70b0e160d140000009468138c0874696d657a6f6e6594939468138c0974696d6564656c74619493944b004b004b008794529485945294869452948c056c6f63616c946815430a07e70b0e160d1400000594859452948c036461799468138c0464617465949394430407e70b0e94859452948c047370616e94681a4affffffff4b024b03879452948c056d6f6e6579948c07646563696d616c948c07446563696d616c9493948c04312e353094859452948c026964948c0475756964948c04555549449493942981947d948c03696e74948a11050000000000000000000000000000800073628c0468746d6c948c0a6d61726b757073616665948c064d61726b75709493948c033c623e94859481948c0474616773948f94288c016194908c0666726f7a656e94284b019194752e",
];

/// Of these Python could not make the dict, or the set, and would fail at each request of that
/// session.
#[test]
fn unhashable_values_are_refused_as_keys_and_in_sets() {
    let list = || Value::List(vec![1.into()]);
    let bytes = Value::Bytes(b"a".to_vec());
    let array = Value::Object(Object::new("bytearray", [bytes]).unwrap());
    let none = [
        list(),
        Value::Dict(Vec::new()),
        Value::Set(Vec::new()),
        array,
        Value::Tuple(vec![1.into(), Value::Tuple(vec![list()])]),
    ];
    for key in none {
        for serializer in [
            Serializer::Pickle0,
            Serializer::Pickle2,
            Serializer::Msgpack,
        ] {
            let entries = vec![(key.clone(), 1.into())];
            for value in [
                Value::Dict(entries),
                Value::Set(vec![key.clone()]),
                Value::FrozenSet(vec![key.clone()]),
            ] {
                let refused = serializer.dumps(&dict([("a", value)]));
                let refused = matches!(refused, Err(FormatError::Unsupported { .. }));
                assert!(refused, "{serializer:?} {key:?}");
            }
        }
    }
    let frozen = Value::FrozenSet(vec![1.into()]);
    let key = Value::Tuple(vec![frozen, Value::None]);
    let value = dict([("a", Value::Dict(vec![(key, 1.into())]))]);
    let bytes = Serializer::Pickle2.dumps(&value).unwrap();
    assert_eq!(Serializer::Pickle2.loads(&bytes), Ok(value));
}

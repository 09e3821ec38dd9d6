//! Values of Flask applications are read as leniently as serde_json reads.

mod both;
#[path = "../../tests/support/mod.rs"]
mod support;

use both::{Both, SID};
use cloakroom_core::Session;
use cloakroom_flask::{SessionType, Settings};
use serde::Deserialize;
use serde_json::json;
use support::World;

const SECRET: &str = "dev-secret-key-0123456789abcdef";

/// By Flask 3.1.3, after `flash("Saved.")` and `flash(Markup("<i>!</i>"), "error")`.
const COOKIE: &str = "\
    .eJw9UEtrhDAQ_it2zuk2Y3yG7UJPPbUU2luRJepYBU2WGNfC4n9vImxPk5n5XpkbnLtRzT3NIL9vEDlfYKJ5Vj8ED\
    D7VldoDVBu778haYyG0E0g4DqeH49Nwgq3aKgbnC9lJadIe6uxCDGoazQryUTBolHW7iTaOQOplHBlc7ND4Jg3sXo0\
    dSH5I_dNNI8i7Se31_WzxkSRiwdMSs5jnmCeIgoskThgM7Y5fPD7usMGOU65EnTRpWjaCii7rhOJtWSMGMU2_7j-DG\
    uxODvGQgVtN-DFYte7j2mu-fBTPgeeMUz4ZcgZrT3rfe2d_KMeiGKN3c41iHmcRz6TgkmP0-vYF2_YHucpncg.ZVPx\
    AA.DmXj6kVWr5y9uS5EhsBybcV4bOc";

/// The same session, by `pickle.dumps` with protocols 0, 2 and 4.
const PICKLES: [&str; 3] = [
    "286470300a565f7065726d616e656e740a70310a4930310a73566e6578740a70320a4e7356746f74616c0a70\
     330a4931300a735662656c6f770a70340a492d330a7356687567650a70350a4c313138303539313632303731\
     373431313330333432344c0a735668616c660a70360a46302e350a7356706169720a70370a2849310a567477\
     6f0a70380a7470390a73567261770a7031300a635f636f646563730a656e636f64650a7031310a28565c7530\
     303030ff0a7031320a566c6174696e310a7031330a747031340a527031350a735669640a7031360a63636f70\
     795f7265670a5f7265636f6e7374727563746f720a7031370a2863757569640a555549440a7031380a635f5f\
     6275696c74696e5f5f0a6f626a6563740a7031390a4e747032300a527032310a28647032320a56696e740a70\
     32330a4c36323631393733303031353635303836373930323230373535343039353232393534313133374c0a\
     7362735668746d6c0a7032340a6731370a28636d61726b7570736166650a4d61726b75700a7032350a635f5f\
     6275696c74696e5f5f0a756e69636f64650a7032360a563c623e0a7032370a747032380a527032390a735677\
     68656e0a7033300a636461746574696d650a6461746574696d650a7033310a286731310a285607ea0b15061e\
     015c75303030305c75303030305c75303030300a7033320a6731330a747033330a527033340a636461746574\
     696d650a74696d657a6f6e650a7033350a28636461746574696d650a74696d6564656c74610a7033360a2849\
     300a49300a49300a747033370a527033380a747033390a527034300a747034310a527034320a735663617274\
     0a7034330a286c7034340a28647034350a5670726963650a7034360a49350a73566e6f74650a7034370a4e73\
     6173565f666c61736865730a7034380a286c7034390a28566d6573736167650a7035300a5653617665642e0a\
     7035310a747035320a6128566572726f720a7035330a6731370a286732350a6732360a563c693e213c2f693e\
     0a7035340a747035350a527035360a747035370a61732e",
    "80027d710028580a0000005f7065726d616e656e7471018858040000006e65787471024e5805000000746f74\
     616c71034b0a580500000062656c6f7771044afdffffff58040000006875676571058a090000000000000000\
     40580400000068616c667106473fe000000000000058040000007061697271074b01580300000074776f7108\
     8671095803000000726177710a635f636f646563730a656e636f64650a710b580300000000c3bf710c580600\
     00006c6174696e31710d86710e52710f58020000006964711063757569640a555549440a7111298171127d71\
     135803000000696e7471148a10119b0d3a6f8f3e9c554c3b7a0e1f1c2f7362580400000068746d6c7115636d\
     61726b7570736166650a4d61726b75700a711658030000003c623e711785711881711958040000007768656e\
     711a636461746574696d650a6461746574696d650a711b680b580b00000007c3aa0b15061e01000000711c68\
     0d86711d52711e636461746574696d650a74696d657a6f6e650a711f636461746574696d650a74696d656465\
     6c74610a71204b004b004b0087712152712285712352712486712552712658040000006361727471275d7128\
     7d71292858050000007072696365712a4b0558040000006e6f7465712b4e756158080000005f666c61736865\
     73712c5d712d2858070000006d657373616765712e580600000053617665642e712f86713058050000006572\
     726f727131681658080000003c693e213c2f693e713285713381713486713565752e",
    "80049589010000000000007d94288c0a5f7065726d616e656e7494888c046e657874944e8c05746f74616c94\
     4b0a8c0562656c6f77944afdffffff8c0468756765948a090000000000000000408c0468616c6694473fe000\
     00000000008c0470616972944b018c0374776f9486948c0372617794430200ff948c026964948c0475756964\
     948c04555549449493942981947d948c03696e74948a10119b0d3a6f8f3e9c554c3b7a0e1f1c2f73628c0468\
     746d6c948c0a6d61726b757073616665948c064d61726b75709493948c033c623e94859481948c047768656e\
     948c086461746574696d65948c086461746574696d65949394430a07ea0b15061e0100000094681b8c087469\
     6d657a6f6e65949394681b8c0974696d6564656c74619493944b004b004b008794529485945294869452948c\
     0463617274945d947d94288c057072696365944b058c046e6f7465944e75618c085f666c6173686573945d94\
     288c076d657373616765948c0653617665642e9486948c056572726f729468168c083c693e213c2f693e9485\
     948194869465752e",
];

/// Calls `look` with each of the sessions that Flask and pickle wrote.
fn in_each(look: impl Fn(&mut Session<'_>)) {
    let mut settings = Settings::new(SessionType::Cookie);
    settings.secret_key = Some(SECRET.into());
    World::with(settings.config().expect("good settings")).see(COOKIE, &look);
    for pickle in PICKLES {
        let digits = pickle.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let mut both = Both::pickles();
        both.flask_writes_bytes(SID, digits.map(byte).collect());
        both.world.see(SID, &look);
    }
}

#[test]
fn a_stored_none_reads_as_absent_for_a_plain_type() {
    in_each(|session| {
        assert!(session.contains("next"));
        assert_eq!(session.get::<String>("next"), Ok(None));
        assert_eq!(session.get::<Vec<u8>>("next"), Ok(None));
        assert_eq!(session.get::<Option<String>>("next"), Ok(Some(None)));
        assert_eq!(session.get_or_reset::<u64>("next"), None);
        assert!(session.contains("next"), "it is no value of another type");
        let next = session.update("next", |next: Option<String>| {
            next.unwrap_or_else(|| "/".into())
        });
        assert_eq!(next.as_deref(), Ok("/"));
    });
    in_each(|session| {
        assert_eq!(session.take::<String>("next"), Ok(None));
        assert!(!session.contains("next"));
    });
}

#[derive(Deserialize, Debug, PartialEq)]
struct Shop {
    #[serde(default)]
    next: String,
    total: f64,
    huge: f64,
    cart: Vec<Item>,
    #[serde(rename = "_flashes")]
    flashes: Vec<(String, String)>,
    html: String,
    pair: (u8, String),
    raw: Vec<u8>,
    id: uuid::Uuid,
    #[serde(with = "time::serde::rfc3339")]
    when: time::OffsetDateTime,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Item {
    price: f64,
    note: Option<String>,
}

#[test]
fn a_struct_of_plain_types_reads_the_whole_session() {
    in_each(|session| {
        let shop = session.typed::<Shop>().expect("readable");
        assert_eq!(
            (&*shop.next, shop.total, shop.huge),
            ("", 10.0, 2f64.powi(70))
        );
        let item = Item {
            price: 5.0,
            note: None,
        };
        assert_eq!(shop.cart, [item]);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            shop.flashes,
            [pair("message", "Saved."), pair("error", "<i>!</i>")]
        );
        assert_eq!((&*shop.html, shop.pair), ("<b>", (1, "two".into())));
        assert_eq!(
            (shop.raw, shop.when.unix_timestamp()),
            (vec![0, 255], 1_795_242_601)
        );
        assert_eq!(shop.id.to_string(), "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11");
    });
}

#[test]
fn an_integer_is_a_float_for_a_type_that_wants_one() {
    in_each(|session| {
        assert_eq!(session.get("total"), Ok(Some(10.0_f64)));
        assert_eq!(session.get("total"), Ok(Some(10.0_f32)));
        assert_eq!(session.get("total"), Ok(Some(10_u8)));
        assert_eq!(session.get("below"), Ok(Some(-3.0_f64)));
        assert_eq!(session.get("huge"), Ok(Some(2f64.powi(70))));
        assert_eq!(session.get("huge"), Ok(Some(1_u128 << 70)));
        assert!(session.get::<u64>("half").is_err(), "nothing is rounded");
        assert!(session.get::<u64>("html").is_err());
    });
}

#[test]
fn everything_reads_as_json() {
    let all = json!({
        "next": null,
        "total": 10,
        "below": -3,
        "huge": 2f64.powi(70),
        "half": 0.5,
        "pair": [1, "two"],
        "raw": [0, 255],
        "id": "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11",
        "html": "<b>",
        "when": "2026-11-21T06:30:01+00:00",
        "cart": [{"price": 5, "note": null}],
        "_flashes": [["message", "Saved."], ["error", "<i>!</i>"]],
    });
    in_each(|session| {
        assert_eq!(session.typed::<serde_json::Value>(), Ok(all.clone()));
        for (name, value) in all.as_object().expect("a map") {
            let read = session.get::<serde_json::Value>(name);
            assert_eq!(read, Ok(Some(value.clone())), "{name}");
        }
    });
}

#[test]
fn a_value_of_another_type_is_named_without_its_content() {
    in_each(|session| {
        for name in ["html", "_flashes", "pair", "when", "id", "cart", "raw"] {
            let error = session.get::<bool>(name).expect_err("no boolean");
            let text = format!("{error} {error:?}");
            assert!(text.contains(name), "{text}");
            for held in ["<b>", "Saved", "two", "2026", "2f1c", "price", "255"] {
                assert!(!text.contains(held), "{text}");
            }
        }
    });
}

use super::*;
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn list(values: &[i64]) -> Value {
    Value::List(values.iter().copied().map(Value::Integer).collect())
}

// Source: RFC 8949, appendix A
#[test]
fn the_examples_of_the_standard_are_read() {
    for (hex, expected) in [
        ("00", Value::Integer(0)),
        ("17", Value::Integer(23)),
        ("1818", Value::Integer(24)),
        ("1903e8", Value::Integer(1000)),
        ("1b000000e8d4a51000", Value::Integer(1_000_000_000_000)),
        ("20", Value::Integer(-1)),
        ("3903e7", Value::Integer(-1000)),
        ("f90000", Value::Number(0.0)),
        ("f93c00", Value::Number(1.0)),
        ("fb3ff199999999999a", Value::Number(1.1)),
        ("f97bff", Value::Number(65504.0)),
        ("fa47c35000", Value::Number(100_000.0)),
        ("f90001", Value::Number(5.960_464_477_539_063e-8)),
        ("f90400", Value::Number(0.000_061_035_156_25)),
        ("f9c400", Value::Number(-4.0)),
        ("f97c00", Value::Number(f64::INFINITY)),
        ("f9fc00", Value::Number(f64::NEG_INFINITY)),
        ("f4", Value::Boolean(false)),
        ("f5", Value::Boolean(true)),
        ("f6", Value::Null),
        ("f7", Value::Null),
        ("c11a514b67b0", Value::Time(1_363_896_240.0)),
        ("c1fb41d452d9ec200000", Value::Time(1_363_896_240.5)),
        ("d818456449455446", Value::Bytes(b"dIETF".to_vec())),
        ("4401020304", Value::Bytes(vec![1, 2, 3, 4])),
        ("62c3bc", Value::from("\u{fc}")),
        ("80", list(&[])),
        ("83010203", list(&[1, 2, 3])),
        ("9f010203ff", list(&[1, 2, 3])),
        ("5f42010243030405ff", Value::Bytes(vec![1, 2, 3, 4, 5])),
        ("7f657374726561646d696e67ff", Value::from("streaming")),
        (
            "bf61610161629f0203ffff",
            Value::structure([("a", Some(Value::Integer(1))), ("b", Some(list(&[2, 3])))]),
        ),
    ] {
        if hex.starts_with("d818") {
            // 24, encoded CBOR: passed over.
            assert_eq!(read(&bytes(hex)), Ok(Value::Bytes(bytes("6449455446"))));
            continue;
        }
        assert_eq!(read(&bytes(hex)), Ok(expected), "{hex}");
    }
    assert!(matches!(read(&bytes("f97e00")), Ok(Value::Number(number)) if number.is_nan()));
}

#[test]
fn hostile_bytes_are_refused() {
    for (hex, expected) in [
        ("", CborError::Short),
        ("18", CborError::Short),
        ("61", CborError::Short),
        ("7bffffffffffffffff", CborError::Short),
        ("9bffffffffffffffff", CborError::Short),
        ("9f01", CborError::Short),
        ("0000", CborError::Long),
        ("ff", CborError::Malformed),
        ("1c", CborError::Malformed),
        ("1f", CborError::Malformed),
        ("f8ff", CborError::Malformed),
        ("c161", CborError::Short),
        ("c16161", CborError::Malformed),
        ("7f01ff", CborError::Malformed),
        ("7f7fffff", CborError::Malformed),
        ("61ff", CborError::Text),
        ("a10101", CborError::Key),
        ("1bffffffffffffffff", CborError::Number),
        ("3b8000000000000000", CborError::Number),
    ] {
        assert_eq!(read(&bytes(hex)), Err(expected), "{hex}");
    }
    assert_eq!(read(&[0x81; 1000]), Err(CborError::Deep));
    assert_eq!(read(&[0xc2; 1000]), Err(CborError::Deep));
    let mut many = bytes("9a00030d40");
    many.resize(200_005, 0);
    assert_eq!(read(&many), Err(CborError::Large));
}

#[test]
fn a_member_that_is_nothing_is_not_there() {
    let value = Value::structure([("a", Some(Value::Null)), ("b", Some(Value::Integer(1))), ("c", None)]);
    assert_eq!((value.member("a"), value.member("c")), (None, None));
    assert_eq!(value.member("b"), Some(&Value::Integer(1)));
    assert_eq!(Value::Null.member("a"), None);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Number),
        any::<f64>().prop_map(Value::Time),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            prop::collection::vec((any::<String>(), inner), 0..8).prop_map(Value::Structure),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in any_value()) {
        prop_assert_eq!(read(&write(&value)), Ok(value));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = read(&bytes);
    }
}

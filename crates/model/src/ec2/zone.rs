//! Availability zones: three in every region.

use crate::ids::Region;

/// The letters that end the zones' names.
pub const LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The zones of a region, by name.
pub fn names(region: &Region) -> [String; 3] {
    LETTERS.map(|letter| format!("{region}{letter}"))
}

/// `use1-az1`, the id of `us-east-1a`. `None`: there is no such zone.
pub fn id(region: &Region, name: &str) -> Option<String> {
    let at = names(region).iter().position(|it| it == name)?;
    Some(format!("{}-az{}", abbreviation(region), at + 1))
}

/// The name of the zone with this id.
pub fn with_id(region: &Region, wanted: &str) -> Option<String> {
    let of_id = |name: &String| id(region, name).as_deref() == Some(wanted);
    names(region).into_iter().find(of_id)
}

/// `us-east-1` as zones' ids have it: `use1`.
fn abbreviation(region: &Region) -> String {
    let region = region.to_string();
    let mut parts = region.split('-');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        short.push_str(match part {
            "north" => "n",
            "south" => "s",
            "east" => "e",
            "west" => "w",
            "central" => "c",
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            "gov" => "g",
            other => other,
        });
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_aws() {
        for (region, name, expected) in [
            ("us-east-1", "us-east-1a", "use1-az1"),
            ("ap-southeast-2", "ap-southeast-2c", "apse2-az3"),
            ("us-gov-west-1", "us-gov-west-1b", "usgw1-az2"),
            ("eu-central-1", "eu-central-1a", "euc1-az1"),
        ] {
            let region = Region::try_from(region).unwrap();
            assert_eq!(id(&region, name).as_deref(), Some(expected));
            assert_eq!(with_id(&region, expected).as_deref(), Some(name));
        }
        let region = Region::try_from("us-east-1").unwrap();
        assert_eq!((id(&region, "us-east-1d"), with_id(&region, "use1-az4")), (None, None));
    }
}

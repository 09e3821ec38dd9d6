//! The goods, and the cart: plain data that the session keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) struct Product {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// In euros.
    pub(crate) price: u32,
    /// An SVG path on a field of 64 by 64.
    pub(crate) drawing: &'static str,
}

pub(crate) const PRODUCTS: [Product; 4] = [
    Product {
        id: "umbrella",
        name: "Walking umbrella",
        about: "Eight ribs, ash handle, no opinion about the weather.",
        price: 48,
        drawing: "M32 6v4M32 10C18 10 8 21 7 33c4-4 9-4 12.5 0 3.5-4 9-4 12.5 0 3.5-4 9-4 12.5 0 3.5-4 8.5-4 12.5 0C56 21 46 10 32 10ZM32 33v19c0 8-11 8-11 0",
    },
    Product {
        id: "hat",
        name: "Felt hat",
        about: "Holds its shape through rain, trains and relatives.",
        price: 65,
        drawing: "M19 40c0-15 2-24 7-24 2.5 0 4 2 6 2s3.5-2 6-2c5 0 7 9 7 24M5 39c0 6 12 10 27 10s27-4 27-10c-4 2.5-9 3.5-14 3.5-8.5 2-17.5 2-26 0-5 0-10-1-14-3.5ZM19.5 34c8 3 17 3 25 0",
    },
    Product {
        id: "scarf",
        name: "Merino scarf",
        about: "Two metres of wool, enough for one argument.",
        price: 39,
        drawing: "M20 12c8-4 16-4 24 0 5 5 4 11-2 14-7 3-13 3-20 0-6-3-7-9-2-14ZM20 12c5 6 19 6 24 0M36 28l7 27H31l-5-28M31 49h10.5M34 55v4M38 55v4M42 55v4",
    },
    Product {
        id: "coat",
        name: "Wool coat",
        about: "Heavy, dark and patient. Comes with a loop to hang it by.",
        price: 240,
        drawing: "M25 9l7 8 7-8M25 9l-10 5L8 44l8 2 4-14M39 9l10 5 7 30-8 2-4-14M20 27v30h24V27M32 17v40M36.5 27v.1M36.5 37v.1M36.5 47v.1",
    },
];

/// More of one thing would be a mistake.
const MOST: u32 = 99;

pub(crate) fn product(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}

/// Ids and quantities. Names and prices stay out of the session, because they may change meanwhile.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Cart(BTreeMap<String, u32>);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    More,
    Less,
    Remove,
}

impl Cart {
    pub(crate) fn change(&mut self, product: &Product, change: Change) {
        let count = self.0.entry(product.id.to_owned()).or_default();
        *count = match change {
            Change::More => count.saturating_add(1).min(MOST),
            Change::Less => count.saturating_sub(1),
            Change::Remove => 0,
        };
        self.0.retain(|_, count| *count > 0);
    }

    /// Returns the items that are still sold.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'static Product, u32)> {
        let count = |product: &Product| self.0.get(product.id).copied();
        PRODUCTS
            .iter()
            .filter_map(move |product| Some((product, count(product)?)))
    }

    pub(crate) fn count(&self) -> u32 {
        self.lines().map(|(_, count)| count).sum()
    }

    pub(crate) fn total(&self) -> u32 {
        self.lines()
            .map(|(product, count)| product.price * count)
            .sum()
    }
}

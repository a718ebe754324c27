//! A shop's abandoned cart: half an hour without a checkout adds a second quest, which wins the customer back, or gives up.

use quest_sdk::prelude::*;

/// What lies in a cart.
#[derive(Variables, Default)]
struct Cart {
    items: Vec<String>,
}

/// Watches a cart until it is checked out.
#[quest(name = "cart", add_on = ["item-added"])]
impl Cart {
    #[action(on = ["item-added"])]
    fn add(&mut self, cx: &Context) -> Result {
        self.items.push(cx.field("/item")?.unwrap_or_else(|| "something".to_owned()));
        // Set anew with each item: half an hour counts from the last one.
        cx.timers().after("abandoned", minutes(30), "abandon")
    }

    #[action]
    fn abandon(&mut self, cx: &Context) -> Result {
        cx.add_quest("win-back")
    }

    #[action(on = ["checkout"])]
    fn check_out(&mut self, cx: &Context) -> Result {
        cx.publish("order-placed", &self.items)?;
        cx.remove_quest("win-back")?;
        cx.remove_quest("cart")
    }

    #[query]
    fn items(&self) -> Vec<String> {
        self.items.clone()
    }
}

/// How often a customer was reminded.
#[derive(Variables, Default)]
struct WinBack {
    sent: u32,
}

/// Up to three reminders, a day apart.
#[quest(name = "win-back")]
impl WinBack {
    fn init(&mut self, cx: &Context) -> Result {
        self.remind(cx)
    }

    #[action]
    fn again(&mut self, cx: &Context) -> Result {
        self.remind(cx)
    }

    fn remind(&mut self, cx: &Context) -> Result {
        self.sent += 1;
        cx.publish("cart-reminder", self.sent)?;
        if self.sent < 3 { cx.timers().after("next", days(1), "again") } else { cx.remove_quest("win-back") }
    }
}

quest_sdk::module!(Cart, WinBack);

#[cfg(test)]
mod tests {
    use quest_sdk::{days, minutes, world};

    use super::{Cart, WinBack};

    #[test]
    fn an_abandoned_cart_is_reminded_of_three_times() {
        let mut world = world![Cart, WinBack];
        world.send("ada", "item-added", ()).advance(minutes(29)).send("ada", "item-added", ()).advance(minutes(29));
        assert_eq!(world.topics(), Vec::<String>::new());
        world.advance(days(10));
        assert_eq!(world.topics(), ["cart-reminder"; 3]);
        assert_eq!(world.quests("ada"), ["cart"]);
    }

    #[test]
    fn a_checkout_ends_both_quests() {
        let mut world = world![Cart, WinBack];
        world.send("ada", "item-added", ()).advance(minutes(40)).send("ada", "checkout", ()).advance(days(10));
        assert_eq!(world.topics(), ["cart-reminder", "order-placed"]);
        assert_eq!(world.quests("ada"), Vec::<String>::new());
    }
}

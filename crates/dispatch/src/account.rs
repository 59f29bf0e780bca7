//! What may be spent on second deliveries: every ordinary delivery earns a part of one.

use crate::settings::RescueSettings;

/// What one second delivery costs; an ordinary one earns so many per cent of it.
const COST: u32 = 100;

/// The account. In whole numbers, so that a hundred times five per cent is five.
#[derive(Debug)]
pub(crate) struct Account {
    saved: u32,
    earned_each: u32,
    saved_max: u32,
}

impl Account {
    pub(crate) fn new(settings: &RescueSettings) -> Self {
        let saved_max = settings.hedges_saved.saturating_mul(COST);
        let saved = settings.hedges_at_first.saturating_mul(COST).min(saved_max);
        Self { saved, earned_each: settings.hedge_percent, saved_max }
    }

    /// An ordinary delivery was made.
    pub(crate) fn earn(&mut self) {
        self.saved = self.saved.saturating_add(self.earned_each).min(self.saved_max);
    }

    pub(crate) fn can_pay(&self) -> bool {
        self.saved >= COST
    }

    /// A second delivery is made.
    pub(crate) fn pay(&mut self) {
        self.saved = self.saved.saturating_sub(COST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hedges(account: &mut Account, deliveries: u32) -> u32 {
        let mut hedges = 0;
        for _ in 0..deliveries {
            account.earn();
            while account.can_pay() {
                account.pay();
                hedges += 1;
            }
        }
        hedges
    }

    #[test]
    fn of_a_thousand_deliveries_fifty_are_paid_for_and_the_one_of_the_start() {
        let mut account = Account::new(&RescueSettings::default());
        assert_eq!(hedges(&mut account, 1000), 51);
    }

    #[test]
    fn a_long_quiet_time_saves_up_no_storm() {
        let mut account = Account::new(&RescueSettings::default());
        (0..1_000_000).for_each(|_| account.earn());
        assert_eq!(hedges(&mut account, 1), 16);
    }
}

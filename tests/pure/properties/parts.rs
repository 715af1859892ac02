//! One application of a project is what the split of the project holds of it.

use super::{hold, over_worlds};

#[test]
fn a_part_is_what_the_split_by_application_holds() {
    over_worlds(|_, environments, _| {
        for project in environments.iter().map(|world| &world.project) {
            for (application, expected) in project.by_application() {
                let (part, expected) = (project.part(&application), format!("{expected:?}"));
                hold(format!("{part:?}") == expected, || format!("{application}: {part:#?}"))?;
            }
            let nothing = project.part(&"no-such-application".into());
            hold(nothing.releases.is_empty() && nothing.promotions.is_empty(), || format!("{nothing:?}"))?;
        }
        Ok(())
    });
}

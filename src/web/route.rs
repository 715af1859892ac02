//! The addresses of the page: what follows the `#` in the browser.

use crate::api::names::{is_label, is_subdomain};
use crate::api::{EnvironmentName, ProjectName, ReleaseName};

/// What is shown of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Applications and environments.
    Board,
    /// What waits for a person.
    Waiting,
    /// Windows, freezes, plans and promotions.
    Calendar,
    /// Delivery figures.
    Delivery,
    /// One release.
    Release(ReleaseName),
    /// One environment.
    Environment(EnvironmentName),
    /// One promotion.
    Promotion(String),
}

/// A project, and what is shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The project.
    pub project: ProjectName,
    /// What is shown of it.
    pub place: Place,
}

impl Route {
    /// The route of a path. None if it is not the path of a page.
    pub fn parse(path: &str) -> Option<Self> {
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (project, rest) = words.split_first().filter(|(project, _)| is_label(project))?;
        let place = match rest {
            [] => Place::Board,
            ["waiting"] => Place::Waiting,
            ["calendar"] => Place::Calendar,
            ["delivery"] => Place::Delivery,
            ["release", name] if is_subdomain(name) => Place::Release((*name).into()),
            ["environment", name] if is_subdomain(name) => Place::Environment((*name).into()),
            ["promotion", name] if is_subdomain(name) => Place::Promotion((*name).to_owned()),
            _ => return None,
        };
        Some(Self { project: (*project).into(), place })
    }

    /// The address of a place of the same project.
    pub fn to(&self, place: Place) -> String {
        Self { project: self.project.clone(), place }.href()
    }

    /// The address.
    pub fn href(&self) -> String {
        let project = &self.project;
        match &self.place {
            Place::Board => format!("#/{project}"),
            Place::Waiting => format!("#/{project}/waiting"),
            Place::Calendar => format!("#/{project}/calendar"),
            Place::Delivery => format!("#/{project}/delivery"),
            Place::Release(name) => format!("#/{project}/release/{name}"),
            Place::Environment(name) => format!("#/{project}/environment/{name}"),
            Place::Promotion(name) => format!("#/{project}/promotion/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_leads_to_its_page_and_others_to_none() {
        for place in [
            Place::Board,
            Place::Waiting,
            Place::Calendar,
            Place::Delivery,
            Place::Release("shop-1.4.0".into()),
            Place::Environment("prod".into()),
            Place::Promotion("prod-shop-1.4.0".into()),
        ] {
            let route = Route { project: "shop".into(), place };
            assert_eq!(Route::parse(route.href().trim_start_matches('#')), Some(route));
        }
        for path in [
            "",
            "/",
            "/Shop",
            "/shop/nowhere",
            "/shop/release",
            "/shop/release/..",
            "/shop/release/a/b",
            "/a b",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}

"""Pointers and relations, as Parse Server's GraphQL documentation makes, asks and follows them, and its page on optimisation."""

from typing import Any

import pytest
import pytest_asyncio

from tests.api.graphql.asker import Asker, master
from tests.conftest import RunningServer


@pytest.fixture(scope="module")
def key(running_server: RunningServer) -> Asker:
    return master(running_server)


PARENTS = """
mutation Classes {
  House: createClass(input: { name: "House", schemaFields: { addStrings: [{ name: "name" }] } }) { class { name } }
  Street: createClass(
    input: {
      name: "Street"
      schemaFields: { addStrings: [{ name: "name" }], addRelations: [{ name: "houses", targetClassName: "House" }] }
    }
  ) { class { name } }
  Company: createClass(input: { name: "Company", schemaFields: { addStrings: [{ name: "name" }] } }) { class { name } }
  City: createClass(
    input: {
      name: "City"
      schemaFields: {
        addStrings: [{ name: "name" }]
        addNumbers: [{ name: "peoplesNumber" }]
        addRelations: [{ name: "companies", targetClassName: "Company" }, { name: "streets", targetClassName: "Street" }]
      }
    }
  ) { class { name } }
  Country: createClass(
    input: {
      name: "Country"
      schemaFields: { addStrings: [{ name: "name" }], addRelations: [{ name: "cities", targetClassName: "City" }] }
    }
  ) { class { name } }
}
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def mars(key: Asker) -> Any:
    """The nested mutation of the pages."""
    await key.ask(PARENTS)
    return await key.ask(
        """
mutation aNestedMutation {
  createCountry(
    input: {
      fields: {
        name: "Mars"
        cities: {
          createAndAdd: [
            { name: "Alpha", companies: { createAndAdd: [{ name: "Motors" }] } }
          ]
        }
      }
    }
  ) {
    country {
      name
      cities {
        edges {
          node {
            name
            companies {
              edges {
                node {
                  name
                }
              }
            }
          }
        }
      }
    }
  }
}
"""
    )


def nodes(*found: Any) -> Any:
    return {"edges": [{"node": each} for each in found]}


async def test_objects_are_created_with_what_they_hold(mars: Any) -> None:
    companies = nodes({"name": "Motors"})
    assert mars == {"createCountry": {"country": {"name": "Mars", "cities": nodes({"name": "Alpha", "companies": companies})}}}


async def test_a_relation_is_asked_with_its_own_conditions(key: Asker, mars: Any) -> None:
    query = """
query aNestedQuery {
  countries(where: {
    name: { matchesRegex: "Ma", options: "i" }
  }) {
    edges {
      node {
        name
        cities(where: {
          name: { matchesRegex: "%s", options: "i"}
        }) {
          edges {
            node {
              name
            }
          }
        }
      }
    }
  }
}
"""
    assert await key.ask(query % "pha") == {"countries": nodes({"name": "Mars", "cities": nodes({"name": "Alpha"})})}
    assert await key.ask(query % "beta") == {"countries": nodes({"name": "Mars", "cities": nodes()})}


async def test_parents_are_found_by_what_their_relations_have(key: Asker, mars: Any) -> None:
    await key.ask(
        """
mutation { createCountry(input: { fields: { name: "France", cities: { createAndAdd: [
  { name: "Toulouse", peoplesNumber: 400000, streets: { createAndAdd: [
    { name: "rue jean jaures", houses: { createAndAdd: [{ name: "Parse Members" }] } }] } }] } } }) { country { id } } }
"""
    )
    query = """
{
  countries(
    where: {
      cities: {
        have: {
          peoplesNumber: { greaterThan: 20000 }
          streets: {
            have: {
              name: { matchesRegex: "rue", options: "i" }
              houses: { have: { name: { equalTo: "Parse Members" } } }
            }
          }
        }
      }
    }
  ) {
    edges {
      node {
        name
        cities {
          edges {
            node {
              name
              peoplesNumber
              streets {
                edges {
                  node {
                    name
                    houses {
                      edges {
                        node {
                          name
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
"""
    streets = nodes({"name": "rue jean jaures", "houses": nodes({"name": "Parse Members"})})
    cities = nodes({"name": "Toulouse", "peoplesNumber": 400000, "streets": streets})
    assert await key.ask(query) == {"countries": nodes({"name": "France", "cities": cities})}


async def test_children_are_found_by_what_their_pointers_have(key: Asker) -> None:
    for name, target in (("Nation", None), ("Town", "Nation"), ("Road", "Town"), ("Home", "Road")):
        pointers = "" if target is None else f', addPointers: [{{name: "{target.lower()}", targetClassName: "{target}"}}]'
        await key.ask(
            f'mutation {{ createClass(input: {{ name: "{name}", schemaFields: {{ addStrings: [{{name: "name"}}]{pointers} }} }})'
            " { class { name } } }"
        )
    await key.ask(
        """
mutation { createHome(input: { fields: { name: "Parse Members", road: { createAndLink: { name: "rue jean jaures",
  town: { createAndLink: { name: "Toulouse", nation: { createAndLink: { name: "France" } } } } } } } }) { home { id } } }
"""
    )
    query = """
{
  homes(where: { road: { have: { town: { have: { nation: { have: { name: { equalTo: "%s" } } } } } } } }) {
    edges { node { name road { name town { name nation { name } } } } }
  }
}
"""
    town = {"name": "Toulouse", "nation": {"name": "France"}}
    home = {"name": "Parse Members", "road": {"name": "rue jean jaures", "town": town}}
    assert await key.ask(query % "France") == {"homes": nodes(home)}
    assert await key.ask(query % "Spain") == {"homes": nodes()}


async def test_the_classes_of_the_page_on_optimisation(key: Asker) -> None:
    await key.ask(
        """
mutation {
  updateClass(
    input: {
      name: "_User"
      schemaFields: {
        addStrings: [{ name: "firstname" }, { name: "lastname" }]
        addDates: [{ name: "birthdate" }]
        addNumbers: [{ name: "credit" }]
      }
    }
  ) {
    class {
      name
    }
  }
}
"""
    )
    told = await key.ask(
        """
query ASuperUsedQuery {
  users(
    where: {
      firstname: { in: ["John", "Michael", "Sabrina"] }
      lastname: { matchesRegex: "^Do" }
      birthdate: { exists: true }
      credit: { greaterThanOrEqualTo: 100 }
    },
    order: credit_ASC
  ) {
    edges {
      node {
        id
        firstname
      }
    }
  }
}
"""
    )
    assert told == {"users": {"edges": []}}

"""Tells which identities are one person, and to whom a browser and a send belong.

What is known is kept; a run looks only at identities that new facts name, and at those that belong with them.
"""

from __future__ import annotations

from warehouse.derivation import Derivation


def find_people(run: Derivation) -> None:
    """Bring ``lead_identities``, ``visitor_bindings`` and ``send_addresses`` up to date.

    Leaves behind what changed: ``renamed_leads``, ``changed_identities``, ``rebound_visitors``, ``changed_sends``.
    """
    run.build("fresh_identity_facts", "changed_identity_facts")
    _replace_identity_facts(run)
    run.build("affected_identities", "affected_identity_facts")
    _join_identities(run)
    run.build("fresh_lead_identities", "renamed_leads", "changed_identities", "renewed_people")
    run.make(
        "affected_leads",
        "select distinct lead_id from lead_identities where identity in (select identity from affected_identities)",
    )
    run.replace("lead_identities", "fresh_lead_identities", "lead_id", "affected_leads")
    _find_addressees(run)
    _bind_visitors(run)


def _replace_identity_facts(run: Derivation) -> None:
    if not run.is_first:
        run.connection.execute(
            "delete from identity_facts using changed_identity_facts as changed"
            " where identity_facts.email is not distinct from changed.email"
            " and identity_facts.external_id is not distinct from changed.external_id"
        )
    run.add("identity_facts", "select * from changed_identity_facts")


def _join_identities(run: Derivation) -> None:
    """Give identities that facts named together the same component: the least of their names.

    Every round hands on the least name over one more link and then over everything that shares a component, so long
    chains close in few rounds.
    """
    run.make(
        "identity_links",
        "select distinct 'email:' || email as this, 'id:' || external_id as other from affected_identity_facts"
        " where email is not null and external_id is not null",
    )
    run.make(
        "identity_components",
        "select this as identity, this as component from identity_links"
        " union select other as identity, other as component from identity_links",
    )
    while True:
        run.make(
            "closer",
            """
            with neighbours as (
                select this, other from identity_links
                union all
                select other, this from identity_links
            ),

            offered as (
                select mine.component, min(theirs.component) as least
                from neighbours
                inner join identity_components as mine on neighbours.this = mine.identity
                inner join identity_components as theirs on neighbours.other = theirs.identity
                group by mine.component
            )

            select component, least from offered where least < component
            """,
        )
        if not run.has_rows("closer"):
            return
        run.connection.execute(
            "update identity_components set component = closer.least from closer"
            " where identity_components.component = closer.component"
        )


def _bind_visitors(run: Derivation) -> None:
    run.build("new_visitor_ties")
    if not run.is_first:
        run.connection.execute(
            "delete from new_visitor_ties using visitor_ties as known"
            " where new_visitor_ties.visitor = known.visitor and new_visitor_ties.occurred_at = known.occurred_at"
            " and new_visitor_ties.email is not distinct from known.email"
            " and new_visitor_ties.external_id is not distinct from known.external_id"
        )
    run.add("visitor_ties", "select * from new_visitor_ties")
    run.build("new_link_visits")
    run.add("link_visits", "select * from new_link_visits")
    run.build("changed_visitors", "old_visitor_bindings", "fresh_visitor_bindings", "rebound_visitors")
    run.replace("visitor_bindings", "fresh_visitor_bindings", "visitor", "changed_visitors")


def _find_addressees(run: Derivation) -> None:
    """Find whom sends went to that events name alone, and which addressees of mails have become leads."""
    run.build("fresh_send_addresses")
    run.build("changed_sends")
    run.replace("send_addresses", "fresh_send_addresses", "send_id", "fresh_send_addresses")
    run.build("known_addressees")
    run.connection.execute("delete from unknown_addressees where identity in (select identity from known_addressees)")

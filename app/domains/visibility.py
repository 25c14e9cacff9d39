"""Who may see and change a row, said once a class as SQL and kept in its ACL by the database (docs/decisions/0003).

Owns: `acl`, which makes the triggers. Holds: the ACL of a row follows from the row and its parents alone, so whatever a client
or a script writes over it is put right in the same statement; a parent is locked before it is read, so of a parent that moves
and a child that comes at once neither misses the other; a change spreads to the children in the same transaction, and only
rows whose ACL really changes are written. Pure text; imports nothing.
"""

_SET = """
create or replace function careboard.acl_of(who text[]) returns text[]
language sql immutable parallel safe as $acl$
  select array(select distinct one collate "C" from unnest(who) one where one is not null order by 1)
$acl$;

-- Ids that clients wrote: one that reads like a role or like everybody stands for nobody.
create or replace function careboard.people(ids text[]) returns text[]
language sql immutable parallel safe as $acl$
  select array(select one from unnest(ids) one where one <> '*' and one not like 'role:%')
$acl$;

-- The accounts in an array of pointers, a care team.
create or replace function careboard.members(team jsonb) returns text[]
language sql immutable parallel safe as $acl$
  select array(select member ->> 'objectId'
    from jsonb_array_elements(case jsonb_typeof(team) when 'array' then team else '[]'::jsonb end) member
    where jsonb_typeof(member) = 'object' and member ->> 'className' = '_User')
$acl$;
"""

AGAIN = "{careboard:again}"
"""Written over the ACL of a child so that its own trigger works it out anew."""


def acl(
    class_name: str,
    *,
    readers: str,
    writers: str,
    facts: tuple[str, ...],
    parents: tuple[tuple[str, str], ...] = (),
    children: tuple[tuple[str, str], ...] = (),
) -> str:
    """The SQL that keeps `_rperm` and `_wperm` of a class; it may be run any number of times.

    `readers` and `writers` are SQL expressions over `new` (text[], such as `array['role:admin', new."courier"]`; nulls and
    repeats fall out). `facts` are the columns they follow from. `parents` (pointer column, class) are locked first, so that the
    expressions may read them. `children` (class, its pointer column) have an `acl` of their own that reads this row.
    """
    return _SET + _own(class_name, readers, writers, facts, parents) + _spread(class_name, facts, children)


def _own(class_name: str, readers: str, writers: str, facts: tuple[str, ...], parents: tuple[tuple[str, str], ...]) -> str:
    locks = "\n".join(
        f'  perform from "{parent}" where "objectId" = new."{pointer}" for no key update;' for pointer, parent in parents
    )
    changed = " or ".join(f'new."{name}" is distinct from old."{name}"' for name in (*facts, "_rperm", "_wperm"))
    return f"""
create or replace function careboard."acl_{class_name}"() returns trigger language plpgsql as $acl$
begin
{locks}
  new."_rperm" := careboard.acl_of({readers});
  new."_wperm" := careboard.acl_of({writers});
  -- Compared by image: a point has no equality.
  if tg_op = 'UPDATE' and new *= old then
    return null;
  end if;
  return new;
end $acl$;
create or replace trigger visible_acl_of_new before insert on "{class_name}"
  for each row execute function careboard."acl_{class_name}"();
create or replace trigger visible_acl before update on "{class_name}"
  for each row when ({changed}) execute function careboard."acl_{class_name}"();
"""


def _spread(class_name: str, facts: tuple[str, ...], children: tuple[tuple[str, str], ...]) -> str:
    if not children:
        return ""
    told = " or ".join(f'n."{name}" is distinct from o."{name}"' for name in (*facts, "_rperm", "_wperm"))
    updates = "\n".join(
        f"""    update "{child}" set "_rperm" = '{AGAIN}' where "{pointer}" = any(ids);""" for child, pointer in children
    )
    return f"""
create or replace function careboard."acl_{class_name}_spread"() returns trigger language plpgsql as $acl$
declare ids text[];
begin
  ids := array(select n."objectId" from new_rows n join old_rows o using ("objectId") where {told});
  if cardinality(ids) > 0 then
{updates}
  end if;
  return null;
end $acl$;
create or replace trigger visible_acl_spread after update on "{class_name}"
  referencing old table as old_rows new table as new_rows
  for each statement execute function careboard."acl_{class_name}_spread"();
"""

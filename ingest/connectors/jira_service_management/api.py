"""What Jira is asked for: issues that changed, and of each all of its changelog and comments. Pure: who asks is an ``Api``.

As https://developer.atlassian.com/cloud/jira/platform/rest/v3/ and https://docs.atlassian.com/software/jira/docs/api/REST/ have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ingest.connector import Api, Document, Refused
from ingest.connectors.jira_service_management.issue import LINK, Raw

AT_ONCE = "50"
A_PAGE = "100"
SHOWN_COMMENTS, SHOWN_HISTORIES = 20, 40
"""The search of Cloud shows no more of an issue."""
CHANNEL = "request.channel.type"


class Found(Struct, frozen=True):
    """``names`` of fields by their ids; ``onward``: what the search is asked for its next page; empty: there is none."""

    issues: list[Raw]
    names: dict[str, str]
    onward: str


class JiraApi:
    """``fields`` are asked for, of those that are ``followed`` the changelog is read. ``knows`` a status by its name; a link
    ``relates`` (by the key of the other issue, and as the changelog puts it) when it is of use.
    """

    def __init__(
        self,
        api: Api,
        *,
        is_cloud: bool,
        fields: Sequence[str],
        followed: Sequence[str],
        knows: Callable[[str], bool],
        relates: Callable[[str, str], bool],
    ) -> None:
        self._api, self._is_cloud, self._followed, self._knows, self._relates = api, is_cloud, followed, knows, relates
        self._root = "/rest/api/3" if is_cloud else "/rest/api/2"
        # Data Center must name the fields of its changelog, and its search has no properties
        further = {"expand": "changelog", "properties": CHANNEL} if is_cloud else {"expand": "changelog,names"}
        self._shown: Mapping[str, str] = {"fields": ",".join(fields), **further}

    def search(self, jql: str, onward: str) -> Found:
        query = {"jql": jql, "maxResults": AT_ONCE, **self._shown}
        if self._is_cloud:
            page = self._api.get(f"{self._root}/search/jql", query | ({"nextPageToken": onward} if onward else {}))
            return Found(page["issues"], page.get("names") or {}, page.get("nextPageToken") or "")
        page = self._api.get(f"{self._root}/search", {**query, "startAt": onward or "0"})
        count = len(page["issues"])
        end = page["startAt"] + count
        # by place: what changes meanwhile moves away, and others into its place; so the end of the page is read again
        onward = str(end - count // 4) if count and end < page["total"] else ""
        return Found(page["issues"], page.get("names") or {}, onward)

    def issue(self, subject: str) -> Raw:
        """Raises :class:`ingest.connector.Refused`."""
        issue: Raw = self._api.get(f"{self._root}/issue/{subject}", self._shown)
        return issue

    def documents(self, issues: Sequence[Raw], names: Mapping[str, str]) -> list[Document]:
        whole = [(issue, self._histories(issue)) for issue in issues]
        categories: dict[str, str] = {}
        if any(self._unknown_statuses(issue, histories) for issue, histories in whole):
            statuses = self._api.get(f"{self._root}/status")
            categories = {str(one["id"]): one["statusCategory"]["key"] for one in statuses}
        return [
            {
                "issue": issue,
                "histories": histories,
                "comments": self._comments(issue),
                "names": {field: names[field] for field in self._followed if field in names},
                "statuses": {
                    one: categories[one] for one in self._unknown_statuses(issue, histories) if one in categories
                },
                "keys": self._keys(issue, histories),
            }
            for issue, histories in whole
        ]

    def _histories(self, issue: Raw) -> list[Raw]:
        shown = issue["changelog"]
        histories: list[Raw] = shown["histories"]
        if shown.get("total", 0) > len(histories) or (self._is_cloud and len(histories) >= SHOWN_HISTORIES):
            return self._all(f"{self._root}/issue/{issue['id']}/changelog", "values", {})
        return histories

    def _comments(self, issue: Raw) -> list[Raw]:
        """Where it is not said of each who can see it, they are asked for it."""
        shown = issue["fields"].get("comment") or {}
        comments: list[Raw] = shown.get("comments", [])
        whole = shown.get("total", 0) <= len(comments) and not (self._is_cloud and len(comments) >= SHOWN_COMMENTS)
        if whole and all(comment.get("jsdPublic") is not None for comment in comments):
            return comments
        return self._all(f"{self._root}/issue/{issue['id']}/comment", "comments", {"expand": "properties"})

    def _unknown_statuses(self, issue: Raw, histories: Sequence[Raw]) -> set[str]:
        """Their ids."""
        status = issue["fields"]["status"]
        named = {(str(status["id"]), status["name"])}
        for item in _items(histories, "status"):
            named |= {(str(item[key]), item[text]) for key, text in (("from", "fromString"), ("to", "toString"))}
        return {one for one, name in named if not self._knows(name)}

    def _keys(self, issue: Raw, histories: Sequence[Raw]) -> dict[str, Any]:
        """The ids of linked issues: a changelog names their keys, and the links that are gone the issue does not."""
        links = issue["fields"].get("issuelinks") or ()
        ends = [link[end] for link in links for end in ("inwardIssue", "outwardIssue") if end in link]
        there = {end["key"]: end["id"] for end in ends}
        told = [(item.get("to"), item.get("toString") or "") for item in _items(histories, LINK)]
        named = {key for key, text in told if key and self._relates(key, text)}
        found = {key: there.get(key) or self._id(key) for key in sorted(named)}
        return {key: one for key, one in found.items() if one is not None}

    def _id(self, key: str) -> Any:
        try:
            return self._api.get(f"{self._root}/issue/{key}", {"fields": "project"})["id"]
        except Refused as refused:
            if refused.status in (403, 404):
                return None
            raise

    def _all(self, path: str, key: str, query: Mapping[str, str]) -> list[Raw]:
        """All that a list has, page by page."""
        found: list[Raw] = []
        while True:
            page = self._api.get(path, {**query, "startAt": str(len(found)), "maxResults": A_PAGE})
            found += page[key]
            if not page[key] or len(found) >= page["total"]:
                return found


def _items(histories: Sequence[Raw], field: str) -> list[Raw]:
    return [item for history in histories for item in history["items"] if item["field"].casefold() == field]

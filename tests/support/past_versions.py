"""A past of the secret: many versions over a long time, as an account has them that is in use for years."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from omc_runbook.sandbox.worlds.build import good_document, healthy_document, keep_good_document
from omc_runbook.sandbox.worlds.staging import SECRET, World


def write_history(world: World, moments: Sequence[datetime], keys: Sequence[str]) -> Mapping[str, datetime]:
    """Write a version at each moment, oldest first, that renews one of the keys, in turn; the first one renews all.

    Names and addresses, of which a healthy secret always has the same, stay. Returns since when each other key has its
    present value. Versions that were there are dated before the first moment. Services that run have the values from
    before: deploy them to have the new ones.
    """
    api, since = world.secretsmanager, dict[str, datetime]()
    listed = api.list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)["Versions"]
    created = {each["VersionId"]: moments[0].timestamp() - 1 - count for count, each in enumerate(reversed(listed))}
    document = healthy_document() | good_document(world)
    for count, moment in enumerate(moments):
        fresh, turn = healthy_document(), keys[count % len(keys)]
        renewed = [key for key in fresh if fresh[key] != document[key] and (count == 0 or key == turn)]
        document |= {key: fresh[key] for key in renewed}
        version = api.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))["VersionId"]
        created[version] = moment.timestamp()
        since |= dict.fromkeys(renewed, moment)
    keep_good_document(world)
    world.control("POST", "versions", {"secret": SECRET, "created": created})
    return since

"""Faults of the network between tasks and Secrets Manager: each moves the worker into a private one that is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from omc_runbook.sandbox.faults.change import NetworkChange, isolate_worker
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.roles import policy
from omc_runbook.sandbox.worlds.staging import SECRET
from omc_runbook.sandbox.worlds.vpcs import EVERYWHERE, PrivateNetwork

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client


def _fault(fault_id: str, breaks: str, change: NetworkChange) -> Fault:
    return Fault("network", fault_id, breaks, lambda world: isolate_worker(world, change))


def _remove_endpoint(ec2: EC2Client, private: PrivateNetwork) -> None:
    ec2.delete_vpc_endpoints(VpcEndpointIds=[private.endpoint])


def _revoke_ingress(ec2: EC2Client, private: PrivateNetwork) -> None:
    group = ec2.describe_security_groups(GroupIds=[private.endpoint_group])["SecurityGroups"][0]
    ec2.revoke_security_group_ingress(GroupId=private.endpoint_group, IpPermissions=group["IpPermissions"])


def _disable_private_dns(ec2: EC2Client, private: PrivateNetwork) -> None:
    ec2.modify_vpc_endpoint(VpcEndpointId=private.endpoint, PrivateDnsEnabled=False)


def _revoke_egress(ec2: EC2Client, private: PrivateNetwork) -> None:
    group = ec2.describe_security_groups(GroupIds=[private.tasks_group])["SecurityGroups"][0]
    ec2.revoke_security_group_egress(GroupId=private.tasks_group, IpPermissions=group["IpPermissionsEgress"])


def _deny_https(ec2: EC2Client, private: PrivateNetwork) -> None:
    acl = ec2.create_network_acl(VpcId=private.vpc)["NetworkAcl"]["NetworkAclId"]
    for egress in (True, False):
        ec2.create_network_acl_entry(
            NetworkAclId=acl, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=egress, CidrBlock=EVERYWHERE
        )
    ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=90,
        Protocol="6",
        RuleAction="deny",
        Egress=True,
        CidrBlock=EVERYWHERE,
        PortRange={"From": 443, "To": 443},
    )
    acls = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [private.tasks_subnet]}])
    association = next(
        association["NetworkAclAssociationId"]
        for association in acls["NetworkAcls"][0]["Associations"]
        if association["SubnetId"] == private.tasks_subnet
    )
    ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl)


def _allow_another_secret(ec2: EC2Client, private: PrivateNetwork) -> None:
    other = f"arn:aws:secretsmanager:*:*:secret:{SECRET.replace('-app-', '-other-')}-*"
    allowed = policy("secretsmanager:GetSecretValue", Principal="*", Resource=other)
    ec2.modify_vpc_endpoint(VpcEndpointId=private.endpoint, PolicyDocument=json.dumps(allowed))


def _disable_dns(ec2: EC2Client, private: PrivateNetwork) -> None:
    ec2.modify_vpc_attribute(VpcId=private.vpc, EnableDnsSupport={"Value": False})


FAULTS = (
    _fault("no-egress", "The worker's subnet has no route to Secrets Manager.", _remove_endpoint),
    _fault("endpoint-sg", "The endpoint's security group allows no ingress.", _revoke_ingress),
    _fault("private-dns-off", "Private DNS is off for the endpoint.", _disable_private_dns),
    _fault("sg-egress", "The worker's security group allows no egress.", _revoke_egress),
    _fault("network-acl", "A network ACL of the worker's subnet denies HTTPS.", _deny_https),
    _fault("endpoint-policy", "The endpoint's policy only allows another secret.", _allow_another_secret),
    _fault("vpc-dns-off", "DNS support is off in the worker's VPC.", _disable_dns),
)

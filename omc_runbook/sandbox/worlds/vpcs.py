"""The healthy world's network, and the private network that faults put the worker into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.worlds.staging import CLUSTER, CONSUMERS, STAGING, World

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ec2.type_defs import SubnetTypeDef
    from mypy_boto3_ecs.type_defs import AwsVpcConfigurationTypeDef

EVERYWHERE = "0.0.0.0/0"
SERVICE = f"com.amazonaws.{REGION}.secretsmanager"
NAME = f"{STAGING}-private"
"""The Name tag of a fault's private network."""


def restore_network(world: World) -> AwsVpcConfigurationTypeDef:
    """Let the account's default network lead to the internet; the configuration of tasks in it."""
    ec2: EC2Client = world.client("ec2")
    subnets = _default_subnets(ec2)
    vpc = subnets[0]["VpcId"]
    _enable_dns(ec2, vpc)
    _route_to_internet(ec2, vpc)
    _reset_acls(ec2, vpc)
    _remove_endpoints(ec2, vpc)
    return _configuration(ec2, subnets)


def network_configuration(world: World) -> AwsVpcConfigurationTypeDef:
    """Two subnets of the account's default network, and a security group for the tasks."""
    ec2: EC2Client = world.client("ec2")
    return _configuration(ec2, _default_subnets(ec2))


def _default_subnets(ec2: EC2Client) -> list[SubnetTypeDef]:
    return ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]


def _configuration(ec2: EC2Client, subnets: list[SubnetTypeDef]) -> AwsVpcConfigurationTypeDef:
    return {
        "subnets": [subnet["SubnetId"] for subnet in subnets[:2]],
        "securityGroups": [_group(ec2, subnets[0]["VpcId"], f"{STAGING}-ecs-tasks")],
        "assignPublicIp": "ENABLED",
    }


@dataclass(frozen=True, kw_only=True)
class PrivateNetwork:
    """A VPC without internet access, with an endpoint for Secrets Manager that its tasks reach."""

    vpc: str
    tasks_subnet: str
    tasks_group: str
    endpoint_group: str
    endpoint: str

    @property
    def configuration(self) -> AwsVpcConfigurationTypeDef:
        """The awsvpcConfiguration that puts a service's tasks into it."""
        return {"subnets": [self.tasks_subnet], "securityGroups": [self.tasks_group], "assignPublicIp": "DISABLED"}


def make_private(ec2: EC2Client) -> PrivateNetwork:
    """Create a healthy private network."""
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": NAME}])
    _enable_dns(ec2, vpc)
    inner, outer = (_subnet(ec2, vpc, f"10.77.{number}.0/24") for number in (1, 2))
    tasks, endpoint = (_group(ec2, vpc, f"{NAME}-{name}") for name in ("tasks", "endpoint"))
    rule: Any = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": tasks}]}
    ec2.authorize_security_group_ingress(GroupId=endpoint, IpPermissions=[rule])
    created = ec2.create_vpc_endpoint(
        VpcId=vpc,
        VpcEndpointType="Interface",
        ServiceName=SERVICE,
        SubnetIds=[outer],
        SecurityGroupIds=[endpoint],
        PrivateDnsEnabled=True,
    )
    return PrivateNetwork(
        vpc=vpc,
        tasks_subnet=inner,
        tasks_group=tasks,
        endpoint_group=endpoint,
        endpoint=created["VpcEndpoint"]["VpcEndpointId"],
    )


def remove_private(world: World) -> None:
    """Move the services out of every private network, and remove it."""
    ec2: EC2Client = world.client("ec2")
    vpcs = [vpc["VpcId"] for vpc in ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [NAME]}])["Vpcs"]]
    if not vpcs:
        return
    network = restore_network(world)
    for service in CONSUMERS:
        _move(world, service.name, network)
    for vpc in vpcs:
        _remove_vpc(ec2, vpc)


@on_error("ServiceNotActiveException", "ServiceNotFoundException", "ClusterNotFoundException", gives=None)
def _move(world: World, service: str, network: AwsVpcConfigurationTypeDef) -> None:
    world.ecs.update_service(cluster=CLUSTER, service=service, networkConfiguration={"awsvpcConfiguration": network})


def _remove_vpc(ec2: EC2Client, vpc: str) -> None:
    by_vpc: Any = [{"Name": "vpc-id", "Values": [vpc]}]
    _remove_endpoints(ec2, vpc)
    _reset_acls(ec2, vpc)
    for subnet in ec2.describe_subnets(Filters=by_vpc)["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for acl in ec2.describe_network_acls(Filters=by_vpc)["NetworkAcls"]:
        if not acl["IsDefault"]:
            ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"])
    groups = ec2.describe_security_groups(Filters=by_vpc)["SecurityGroups"]
    # Groups that name each other in their rules cannot go before the rules do.
    for group in groups:
        if group["IpPermissions"]:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    for group in groups:
        if group["GroupName"] != "default":
            ec2.delete_security_group(GroupId=group["GroupId"])
    ec2.delete_vpc(VpcId=vpc)


def _enable_dns(ec2: EC2Client, vpc: str) -> None:
    # After a write the sandbox reads the whole network again.
    if not ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"]:
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    if not ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"]:
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})


def _route_to_internet(ec2: EC2Client, vpc: str) -> None:
    """Attach an internet gateway if there is none, and route every table's traffic to it."""
    attached = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])
    if attached["InternetGateways"]:
        gateway = attached["InternetGateways"][0]["InternetGatewayId"]
    else:
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    for table in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]:
        routes = {route.get("DestinationCidrBlock"): route for route in table["Routes"]}
        target: Any = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": EVERYWHERE, "GatewayId": gateway}
        if EVERYWHERE not in routes:
            ec2.create_route(**target)
        elif routes[EVERYWHERE].get("GatewayId") != gateway:
            ec2.replace_route(**target)


def _reset_acls(ec2: EC2Client, vpc: str) -> None:
    """Give every subnet the VPC's default ACL, without the entries that were added before its first."""
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    default = next(acl for acl in acls if acl["IsDefault"])
    for acl in acls:
        for association in acl["Associations"] if acl is not default else ():
            ec2.replace_network_acl_association(
                AssociationId=association["NetworkAclAssociationId"], NetworkAclId=default["NetworkAclId"]
            )
    for entry in default["Entries"]:
        if entry["RuleNumber"] < 100:
            ec2.delete_network_acl_entry(
                NetworkAclId=default["NetworkAclId"], RuleNumber=entry["RuleNumber"], Egress=entry["Egress"]
            )


def _remove_endpoints(ec2: EC2Client, vpc: str) -> None:
    endpoints = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"]
    ids = [endpoint["VpcEndpointId"] for endpoint in endpoints if endpoint["State"].lower() == "available"]
    if ids:
        ec2.delete_vpc_endpoints(VpcEndpointIds=ids)


def _subnet(ec2: EC2Client, vpc: str, cidr: str) -> str:
    return ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]


def _group(ec2: EC2Client, vpc: str, name: str) -> str:
    """A security group with this name that allows all egress."""
    filters: Any = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
    groups = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if not groups:
        return ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    group = groups[0]["GroupId"]
    everything: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": EVERYWHERE}]}
    if not any(everything.items() <= rule.items() for rule in groups[0]["IpPermissionsEgress"]):
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[everything])
    return group

"""EC2 whose default VPC has internet access as AWS's has, and whose VPC endpoints take every change.

https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html
"""

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ec2.responses import EC2Response

# moto leaves it unset in a VPC without DNS host names, and then cannot start a task there.
NetworkInterface.private_dns_name = ""


class SandboxEc2(EC2Response):
    """moto's EC2."""

    @property
    def ec2_backend(self) -> Any:
        """moto's state of an account in a region."""
        backend = super().ec2_backend
        if not hasattr(backend, "default_gateway"):
            backend.default_gateway = _add_internet_gateway(backend)
        return backend

    def modify_vpc_endpoint(self) -> ActionResult:
        """Change an endpoint, also PrivateDnsEnabled and ResetPolicy, which moto ignores.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html
        """
        answer = super().modify_vpc_endpoint()
        endpoint = self.ec2_backend.vpc_end_points[self._get_param("VpcEndpointId")]
        private_dns = self._get_bool_param("PrivateDnsEnabled")
        if private_dns is not None:
            endpoint.private_dns_enabled = private_dns
        if self._get_bool_param("ResetPolicy"):
            endpoint.policy_document = json.dumps(VPCEndPoint.DEFAULT_POLICY)
        return answer


def _add_internet_gateway(backend: EC2Backend) -> str:
    """Give the default VPC an internet gateway and the route to it; returns the gateway's id."""
    vpc = next(vpc for vpc in backend.vpcs.values() if vpc.is_default)
    gateway = backend.create_internet_gateway()
    backend.attach_internet_gateway(gateway.id, vpc.id)
    for table in list(backend.route_tables.values()):
        if table.vpc_id == vpc.id:
            backend.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)
    return str(gateway.id)

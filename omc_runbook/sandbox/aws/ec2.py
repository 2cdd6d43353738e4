"""EC2 whose VPC endpoints take a change of their private DNS name, which moto passes over.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html
"""

import json

from moto.core.responses import ActionResult
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ec2.responses import EC2Response


class MendedEc2(EC2Response):
    """moto's EC2."""

    def modify_vpc_endpoint(self) -> ActionResult:
        """Change an endpoint: subnets, groups and policy as moto does, and its private DNS name and policy's reset."""
        answer = super().modify_vpc_endpoint()
        endpoint = self.ec2_backend.vpc_end_points[self._get_param("VpcEndpointId")]
        private_dns = self._get_bool_param("PrivateDnsEnabled")
        if private_dns is not None:
            endpoint.private_dns_enabled = private_dns
        if self._get_bool_param("ResetPolicy"):
            endpoint.policy_document = json.dumps(VPCEndPoint.DEFAULT_POLICY)
        return answer

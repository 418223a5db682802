"""The gRPC skin: ``lagem.v1.LagemService`` over the services that REST uses."""

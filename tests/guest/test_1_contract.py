from contract.suite import ContractSuite


class TestTwoTierKernel(ContractSuite):
    """Exactly, with real moves."""

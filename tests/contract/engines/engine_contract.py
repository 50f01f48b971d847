"""What every engine promises; a subclass brings the fixture `target`."""

from contract.engines.inside_contract import InsideContract
from contract.engines.recovery_contract import RecoveryContract
from contract.engines.secrets_contract import SecretsContract
from contract.engines.sight_contract import SightContract
from contract.engines.wishes_contract import WishesContract


class EngineContract(WishesContract, SightContract, InsideContract, SecretsContract, RecoveryContract):
    """One suite for all engines."""

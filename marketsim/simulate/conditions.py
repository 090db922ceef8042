"""The conditions of the day: what goes wrong at which moment, and how long every call takes."""

from marketsim.drivers.calls import Running
from marketsim.drivers.clock import Clock
from marketsim.drivers.virtual import Driver
from marketsim.saga.definition import Operation, Role
from marketsim.saga.fault import Fault
from marketsim.saga.faults import FaultPlan
from marketsim.saga.tape import Tape
from marketsim.saga.wants import Invoke
from marketsim.simulate.load import Simulation

__all__ = ["Conditions", "SimulatedDriver"]


class Conditions(FaultPlan):
    """The plan of every transaction of a simulation: one object for all, since they share the services."""

    def __init__(self, simulation: Simulation, clock: Clock) -> None:
        super().__init__()
        self.simulation = simulation
        self.clock = clock
        self.took_us = 0

    def strike(
        self, transaction: str, operation: Operation, role: Role, attempt: int, tape: Tape
    ) -> Fault | None:
        """What goes wrong with this call, if anything; ``took_us`` is then how long its answer takes."""
        raise NotImplementedError


class SimulatedDriver(Driver):
    """A driver whose calls take as long as the conditions say; begin transactions with them as the plan."""

    def took_us(self, running: Running, want: Invoke, fault: Fault | None) -> int:
        """How long the answer to a call takes, in microseconds."""
        assert isinstance(running.plan, Conditions)
        return running.plan.took_us

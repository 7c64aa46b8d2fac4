"""The floor of any Flight server: replays the batches of an Arrow file to whoever asks, whatever the query.

C++ (pyarrow's), no SQL, no login, nothing to compute: what a client can receive on this machine at most.
usage: bare_flight.py FILE; prints where it listens.
"""

import sys

import pyarrow
import pyarrow.flight as flight


class Replay(flight.FlightServerBase):
    """One result, held decoded in memory as Arrow holds it on the wire."""

    def __init__(self, path: str) -> None:
        super().__init__("grpc://127.0.0.1:0")
        with pyarrow.memory_map(path) as file:
            self.table = pyarrow.ipc.open_file(file).read_all()

    def get_flight_info(self, _context, descriptor):
        if b"CommandStatementQuery" not in descriptor.command:
            # A driver that opens a connection asks what the server is.
            raise flight.FlightUnimplementedError("this server only replays")
        endpoint = flight.FlightEndpoint(b"all", [])
        return flight.FlightInfo(self.table.schema, descriptor, [endpoint], self.table.num_rows, self.table.nbytes)

    def do_get(self, _context, _ticket):
        return flight.RecordBatchStream(self.table)


if __name__ == "__main__":
    server = Replay(sys.argv[1])
    print(f"listening on grpc://127.0.0.1:{server.port}", flush=True)
    server.serve()

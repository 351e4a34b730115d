// GDBStub

#!/usr/bin/env python3
"""Reads a chronovisor trace by nothing but Sources/Trace/FORMAT.md, and prints what `chronovisor dump --json` prints.

    trace_reader.py FORMAT.md TRACE

All checksums are verified, those of images and the output digests too. Whatever is wrong ends in status 65 and one line.
Python's standard library is all it needs.
"""

import json
import re
import struct
import sys

ALL = (1 << 64) - 1
SEED = 0x243F6A8885A308D3
KINDS = {1: "in", 2: "out", 3: "mmio-read", 4: "mmio-write", 5: "rdmsr", 6: "wrmsr", 7: "rdtsc", 8: "rdrand", 9: "hlt",
         10: "rdmsr", 11: "wrmsr"}
ENDS = {0: "power-off", 1: "reset", 2: "halted", 3: "triple-fault", 4: "debug-exit", 5: "timeout", 6: "interrupted",
        7: "engine-stopped"}


class Damage(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Damage(what)


# Digests


def fold(value, word):
    product = (value ^ 0x9E3779B97F4A7C15) * (word ^ 0xBF58476D1CE4E5B9)
    swapped = int.from_bytes(word.to_bytes(8, "little"), "big")
    return ((product >> 64 ^ product & ALL) + swapped) & ALL


def digest(data, value=SEED):
    for start in range(0, len(data) - len(data) % 8, 8):
        value = fold(value, int.from_bytes(data[start : start + 8], "little"))
    rest = data[len(data) - len(data) % 8 :]
    return fold(fold(value, int.from_bytes(rest, "little")), len(data))


# Payloads


class Input:
    def __init__(self, data):
        self.data, self.at = data, 0

    @property
    def is_at_end(self):
        return self.at >= len(self.data)

    def take(self, count):
        need(self.at + count <= len(self.data), "ends inside a record")
        self.at += count
        return self.data[self.at - count : self.at]

    def integer(self, size):
        return int.from_bytes(self.take(size), "little")

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.integer(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                need(value <= ALL, "a number that is too long")
                return value
        raise Damage("a number that is too long")

    def counted(self):
        return self.take(self.varint())


def unpack(block, size):
    """An LZ4 block: sequences of literals and of matches, the last one of literals alone."""
    source, out = Input(block), bytearray()

    def length(nibble):
        count, more = nibble, 255 if nibble == 15 else 0
        while more == 255:
            more = source.integer(1)
            count += more
        return count

    while True:
        token = source.integer(1)
        out += source.take(length(token >> 4))
        if source.is_at_end:
            break
        distance = source.integer(2)
        need(0 < distance <= len(out), "a match before the begin")
        for _ in range(length(token & 15) + 4):
            out.append(out[-distance])
        need(len(out) <= size, "a chunk that grows too far")
    need(len(out) == size, "a chunk of another size")
    return bytes(out)


# Chunks


class Chunk:
    def __init__(self, data, offset, key):
        need(offset + 56 <= len(data), "a chunk header that is cut off")
        header = data[offset : offset + 56]
        (marker, self.kind, self.flags, self.number, vcpu, stored, raw, self.ordinal, self.elapsed, payload_digest,
         self.digest) = struct.unpack("<IHHIIIIQQQQ", header)
        need(marker == 0x4B4E4843 and digest(header[:48], key) == self.digest, "no chunk header at %d" % offset)
        need(vcpu == 0 and self.flags < 4, "unknown flags or vCPU at %d" % offset)
        self.offset, self.end = offset, offset + 56 + stored
        payload = data[offset + 56 : self.end]
        need(len(payload) == stored, "a chunk that is cut off at %d" % offset)
        need(digest(payload) == payload_digest, "the payload's digest at %d" % offset)
        self.data = unpack(payload, raw) if self.flags & 2 else payload
        need(len(self.data) == raw, "two sizes at %d" % offset)


def chunks(data):
    need(data[:16] == b"\x89CHV\r\n\x1a\n" + struct.pack("<II", 1, 0), "not a trace of version 1")
    found, offset, key = [], 16, digest(data[:16])
    while offset < len(data):
        chunk = Chunk(data, offset, key)
        need(chunk.number == len(found), "a chunk out of order at %d" % offset)
        if not found:
            key = chunk.digest
        found.append(chunk)
        offset = chunk.end
    return found


def check_images(found):
    """The bytes of each image have the digest that its record names."""
    record, content = None, b""
    for chunk in found:
        if record and chunk.kind != 3:
            need(len(content) == record[0] and digest(content) == record[1], "another image")
            record = None
        if chunk.kind == 2:
            source = Input(chunk.data)
            source.integer(1), source.counted()
            record, content = (source.integer(8), source.integer(8)), b""
        elif chunk.kind == 3:
            content += chunk.data


def check_closing(found, events):
    closing = found[-1]
    need(closing.kind == 8, "incomplete")
    index, count = struct.unpack("<QQ", closing.data)
    need(count == events == closing.ordinal, "another number of events")
    entries = Input(b"".join(chunk.data for chunk in found if chunk.kind == 7))
    offset = ordinal = elapsed = 0
    for chunk in found:
        if chunk.kind == 7:
            need(index == chunk.offset, "the index is somewhere else")
            break
        kind, flags = entries.varint(), entries.varint()
        offset = offset + entries.varint() & ALL
        ordinal = ordinal + entries.varint() & ALL
        elapsed = elapsed + entries.varint() & ALL
        need((kind, flags, offset) == (chunk.kind, chunk.flags & 1, chunk.offset), "an index of other chunks")
        need((ordinal, elapsed) == (chunk.ordinal, chunk.elapsed), "an index of other chunks")


# Events


class Events:
    """The records of all chunks; `ordinal` events are complete, and `output` is their digest."""

    def __init__(self, fields):
        self.fields, self.ordinal, self.output = fields, 0, SEED

    def read(self, data):
        self.source, self.shapes, self.time, self.words = Input(data), {}, 0, [0] * len(self.fields)
        while not self.source.is_at_end:
            yield self.record()

    def record(self):
        source = self.source
        opcode = source.integer(1)
        if opcode >= 0x80:
            return self.interaction(self.shapes[opcode - 0x80])
        if opcode == 1:
            slot, code = source.integer(1), source.integer(1)
            need(slot < 128 and code >> 4 in KINDS, "an unknown shape")
            self.shapes[slot] = (code, 0 if code >> 4 in (7, 8, 9) else source.varint())
            return self.interaction(self.shapes[slot])
        if opcode == 0x20:
            values = [source.integer(8) for _ in range(3)] + [source.varint()]
            need(values[2] == self.output, "another output digest")
            return self.line("digest", cpu=hex(values[0]), memory=hex(values[1]), output=hex(values[2]),
                             instructions=values[3])
        if opcode == 0x21:
            return self.end()
        if opcode == 0x22:
            return self.detail()
        if opcode in range(0x1C, 0x20) or opcode in (0x4C, 0x5C):
            return self.mark(opcode)
        return self.delivery(opcode)

    def line(self, kind, place="", **fields):
        return {"position": str(self.ordinal) + place, "kind": kind, **fields}

    def interaction(self, shape):
        (code, address), source = shape, self.source
        kind, size = code >> 4, code & 15
        value = 0
        if kind <= 4:
            value = source.integer(size)
        elif kind == 7:
            number = source.varint()
            self.time = value = self.time + (number >> 1 ^ (ALL if number & 1 else 0)) & ALL
        elif kind not in (9, 10):
            value = source.integer(8)
        self.output = fold(fold(self.output, address ^ code << 56), value)
        line = self.line(KINDS[kind])
        if kind <= 4:
            line["port" if kind <= 2 else "address"] = hex(address)
            line["size"] = size
        elif kind in (5, 6, 10, 11):
            line["msr"] = hex(address)
        if kind in (2, 4, 6, 11):
            line["value"] = hex(value)
        if kind in (1, 3, 5, 7, 8):
            line["answer"] = hex(value)
        if kind in (10, 11):
            line["answer"] = "#GP(0)"
        self.ordinal += 1
        return line

    def delivery(self, opcode):
        group = opcode & 0x0C if opcode >= 0x40 else opcode - 0x10 & 0x0C
        need(opcode in range(0x10, 0x1C) or opcode in (0x40, 0x44, 0x48, 0x50, 0x54, 0x58), "an unknown record")
        place, fingerprint = self.place(opcode)
        if group == 0:
            line = self.line("interrupt", place, vector=self.source.integer(1))
        elif group == 4:
            line = self.line("nmi", place)
        else:
            address, content = self.source.varint(), self.source.counted()
            line = self.line("device-write", place, address=hex(address), size=len(content), bytes=content.hex())
        if fingerprint:
            line["fingerprint"] = fingerprint
        self.ordinal += 1
        return line

    def mark(self, opcode):
        place, fingerprint = self.place(opcode)
        line = self.line("mark", place, instructions=self.source.varint())
        if fingerprint:
            line["fingerprint"] = fingerprint
        return line

    def place(self, opcode):
        source = self.source
        if opcode < 0x40 and opcode & 3 != 3:
            instructions = source.varint() if opcode & 3 else 0
            iterations = source.varint() if opcode & 3 == 2 else 0
            text = "+%d" % instructions if instructions or iterations else ""
            return text + (".%d" % iterations if iterations else ""), None
        fingerprint = {name: hex(source.integer(8)) for name in ("rip", "cpu", "memory")}
        if opcode >= 0x40:
            source.take(16 * 8)
        if opcode >= 0x50:
            fingerprint["time"] = source.varint()
            if source.integer(1):
                fingerprint["word"] = {"address": hex(source.varint()), "value": hex(source.integer(8))}
        return "", fingerprint

    def detail(self):
        source, field = self.source, 0
        for _ in range(source.varint()):
            field += source.varint()
            self.words[field] = source.integer(8)
            field += 1
        pages, number, ranges = 1 << source.integer(1), 0, []
        for _ in range(source.varint()):
            number += source.varint()
            ranges.append({"range": number, "check": hex(source.integer(2))})
            number += 1
        registers = {name: hex(word) for name, word in zip(self.fields, self.words) if word}
        return self.line("detail", registers=registers, pagesInRange=pages, ranges=ranges)

    def end(self):
        reason = self.source.integer(1)
        end = {"reason": ENDS[reason]}
        if reason == 4:
            end["value"] = self.source.integer(4)
        if reason == 7:
            end["text"] = self.source.counted().decode()
        return self.line("end", end=end)


def show(line):
    print(json.dumps(line, separators=(",", ":"), ensure_ascii=False))


def main(document, path):
    with open(document, encoding="utf-8") as file:
        fields = re.findall(r"^ {4}\d+ +(\S+) +(?:all|[0-9a-f]+)$", file.read(), re.MULTILINE)
    with open(path, "rb") as file:
        found = chunks(file.read())
    check_images(found)
    events = Events(fields)

    def lines():
        for chunk in found:
            if chunk.kind == 6:
                need(chunk.ordinal == events.ordinal, "another number of events at %d" % chunk.offset)
                yield from events.read(chunk.data)

    mark = None
    for line in lines():
        # A mark counts where only the end follows it.
        if mark and line["kind"] == "end":
            show(mark)
        mark = line if line["kind"] == "mark" else None
        if not mark:
            show(line)
    if mark:
        show(mark)
    check_closing(found, events.ordinal)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2])
    except (Damage, KeyError, IndexError, struct.error, UnicodeDecodeError) as error:
        print("%s: %s" % (sys.argv[2], error), file=sys.stderr)
        sys.exit(65)

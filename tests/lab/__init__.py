"""The lab: an asyncio server on loopback that is many mirrors at once, with real signed indexes."""

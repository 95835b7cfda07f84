"""The mapping of the small source of tables."""

TABLE_MAPPING = """
[dataset]
name = "my-lab"
licence = "CC0-1.0"

[subjects.P1]
mass_kg = 70.0

[[streams]]
name = "kinematics"
time = "t"
columns = [{ column = "KneeR", channel = "angle.knee_flexion.r", unit = "deg", sign = -1 }]

[[streams]]
name = "torque"
rate_hz = 1000
columns = [{ column = "Mknee", channel = "torque.knee.r", unit = "N m" }]

[[streams]]
name = "emg"
time = "t"
rate_hz = 1000
columns = [{ column = "VL", channel = "emg.vastus_lateralis.r", unit = "uV" }]

[[recordings]]
subject = "P1"
session = "s01"
task = "walk"
index = 1
files = { kinematics = "walk.csv", torque = "walk.csv", emg = "walk.csv" }
"""
